//! Tables of rows, as `list` and `find` print them.

use anstyle::Style;
use model::datum::Datum;
use model::schema::{BaseType, ColumnType};
use serde_json::{Value, json};

use super::{Palette, html, json, paint};
use model::text;

/// Rows under headings.
#[derive(Debug, Default)]
pub struct Table {
    /// The names of the columns.
    pub headings: Vec<String>,
    /// Each as long as the headings.
    pub rows: Vec<Vec<Cell>>,
}

/// One value of a table.
#[derive(Debug)]
pub enum Cell {
    /// A column's value, formatted as its style says.
    Value(ColumnType, Datum),
    /// Text that is printed as it stands.
    Text(String),
}

/// The form of a table (`--format`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TableFormat {
    /// Aligned columns under headings.
    Table,
    /// A line a column, with an empty line between rows.
    #[default]
    List,
    /// An HTML table.
    Html,
    /// RFC 4180.
    Csv,
    /// An object with `headings` and `data`.
    Json,
}

/// The form of the values in it (`--data`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CellFormat {
    /// As commands take them.
    #[default]
    String,
    /// Without brackets and quotes.
    Bare,
    /// OVSDB's JSON.
    Json,
}

/// How tables are printed.
#[derive(Clone, Debug)]
pub struct TableStyle {
    /// The form of the table.
    pub format: TableFormat,
    /// The form of the values.
    pub cells: CellFormat,
    /// Whether the names of the columns are printed.
    pub has_headings: bool,
    /// Whether JSON is spread over several lines.
    pub is_pretty: bool,
    /// The widest column of [`TableFormat::Table`] in characters; 0 for any width.
    pub max_column_width: usize,
    /// The colours of [`TableFormat::Table`]; all other forms are for programs.
    pub palette: Palette,
}

impl Default for TableStyle {
    fn default() -> Self {
        Self {
            format: TableFormat::default(),
            cells: CellFormat::default(),
            has_headings: true,
            is_pretty: false,
            max_column_width: 0,
            palette: Palette::PLAIN,
        }
    }
}

/// Prints the tables of one command line, with an empty line between them.
#[derive(Debug, Default)]
pub struct TablePrinter {
    has_printed: bool,
}

impl TablePrinter {
    /// Appends `table` to `out` in the given style.
    pub fn print(&mut self, table: &Table, style: &TableStyle, out: &mut String) {
        let is_separated = matches!(
            style.format,
            TableFormat::Table | TableFormat::List | TableFormat::Csv
        );
        if is_separated && std::mem::replace(&mut self.has_printed, true) {
            out.push('\n');
        }
        match style.format {
            TableFormat::Table => table.print_aligned(style, out),
            TableFormat::List => table.print_list(style, out),
            TableFormat::Html => table.print_html(style, out),
            TableFormat::Csv => table.print_csv(style, out),
            TableFormat::Json => table.print_json(style, out),
        }
    }
}

impl Cell {
    fn text(&self, format: CellFormat) -> String {
        match (self, format) {
            (Self::Text(words), _) => words.clone(),
            (Self::Value(kind, datum), CellFormat::String) => text::datum(kind, datum),
            (Self::Value(_, datum), CellFormat::Bare) => text::bare(datum),
            (Self::Value(_, datum), CellFormat::Json) => model::json::datum(datum).to_string(),
        }
    }

    /// Whether it names rows in the way of programs.
    fn is_id(&self) -> bool {
        matches!(self, Self::Value(kind, _) if matches!(kind.key, BaseType::Uuid { .. }))
    }

    fn json(&self) -> Value {
        match self {
            Self::Text(words) => json!(words),
            Self::Value(_, datum) => model::json::datum(datum),
        }
    }
}

impl Table {
    fn texts(&self, style: &TableStyle) -> Vec<Vec<String>> {
        self.rows
            .iter()
            .map(|row| row.iter().map(|cell| cell.text(style.cells)).collect())
            .collect()
    }

    fn print_aligned(&self, style: &TableStyle, out: &mut String) {
        let rows = self.texts(style);
        let widths: Vec<usize> = (0..self.headings.len())
            .map(|column| self.width(column, &rows, style))
            .collect();
        if style.has_headings {
            let rules: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
            aligned_line(&self.headings, &widths, |_| style.palette.heading, out);
            aligned_line(&rules, &widths, |_| style.palette.faint, out);
        }
        for (cells, row) in self.rows.iter().zip(&rows) {
            let style_of = |column: usize| match cells[column].is_id() {
                true => style.palette.faint,
                false => Style::new(),
            };
            aligned_line(row, &widths, style_of, out);
        }
    }

    fn width(&self, column: usize, rows: &[Vec<String>], style: &TableStyle) -> usize {
        let widest = rows.iter().map(|row| row[column].chars().count()).max();
        let mut width = widest.unwrap_or(0);
        if style.max_column_width > 0 {
            width = width.min(style.max_column_width);
        }
        if style.has_headings {
            width = width.max(self.headings[column].chars().count());
        }
        width
    }

    fn print_list(&self, style: &TableStyle, out: &mut String) {
        for (index, row) in self.texts(style).iter().enumerate() {
            if index > 0 {
                out.push('\n');
            }
            for (heading, text) in self.headings.iter().zip(row) {
                if style.has_headings {
                    out.push_str(&format!("{heading:<20}: "));
                }
                out.push_str(text);
                out.push('\n');
            }
        }
    }

    fn print_html(&self, style: &TableStyle, out: &mut String) {
        out.push_str("<table border=1>\n");
        if style.has_headings {
            html::row("th", &self.headings, &self.headings, out);
        }
        for row in self.texts(style) {
            html::row("td", &self.headings, &row, out);
        }
        out.push_str("</table>\n");
    }

    fn print_csv(&self, style: &TableStyle, out: &mut String) {
        if style.has_headings {
            csv_line(&self.headings, out);
        }
        for row in self.texts(style) {
            csv_line(&row, out);
        }
    }

    fn print_json(&self, style: &TableStyle, out: &mut String) {
        let data: Vec<Vec<Value>> = self
            .rows
            .iter()
            .map(|row| row.iter().map(Cell::json).collect())
            .collect();
        let whole = json!({ "headings": self.headings, "data": data });
        if style.is_pretty {
            json::pretty(&whole, 0, out);
        } else {
            out.push_str(&whole.to_string());
        }
        out.push('\n');
    }
}

/// The cells in their widths, without the spaces at the end of the line.
fn aligned_line(
    cells: &[String],
    widths: &[usize],
    style_of: impl Fn(usize) -> Style,
    out: &mut String,
) {
    let mut gap = 0;
    for (column, (cell, &width)) in cells.iter().zip(widths).enumerate() {
        let cut: String = cell.chars().take(width).collect();
        let text = cut.trim_end_matches(' ');
        if !text.is_empty() {
            out.push_str(&" ".repeat(gap));
            out.push_str(&paint(style_of(column), text));
            gap = 0;
        }
        gap += width + 1 - text.chars().count();
    }
    out.push('\n');
}

fn csv_line(cells: &[String], out: &mut String) {
    let fields: Vec<String> = cells
        .iter()
        .map(|cell| {
            if cell.contains(['\n', '"', ',']) {
                format!("\"{}\"", cell.replace('"', "\"\""))
            } else {
                cell.clone()
            }
        })
        .collect();
    out.push_str(&fields.join(","));
    out.push('\n');
}
