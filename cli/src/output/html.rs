//! HTML tables in which UUIDs link to their rows.

use crate::symbols::parse_uuid;

/// The length of a UUID in text, and of its first group, which stands for it.
const UUID_LENGTH: usize = 36;
const UUID_ABBREVIATION: usize = 8;

/// Appends the row of cells as `<th>` or `<td>` elements.
pub(super) fn row(element: &str, headings: &[String], cells: &[String], out: &mut String) {
    out.push_str("  <tr>\n");
    for (heading, cell) in headings.iter().zip(cells) {
        if heading == "_uuid" && element == "td" {
            let short = cell.get(..UUID_ABBREVIATION).unwrap_or(cell);
            out.push_str(&format!(
                "    <td><a name=\"{}\">{}</a></td>\n",
                escape(cell),
                escape(short)
            ));
        } else {
            out.push_str(&format!(
                "    <{element}>{}</{element}>\n",
                link_uuids(cell)
            ));
        }
    }
    out.push_str("  </tr>\n");
}

fn link_uuids(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(uuid) = rest
            .get(..UUID_LENGTH)
            .filter(|head| parse_uuid(head).is_some())
        {
            out.push_str(&format!(
                "<a href=\"#{uuid}\">{}</a>",
                &uuid[..UUID_ABBREVIATION]
            ));
            rest = &rest[UUID_LENGTH..];
        } else {
            let (character, after) = rest.split_at(first.len_utf8());
            out.push_str(&escape(character));
            rest = after;
        }
    }
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
