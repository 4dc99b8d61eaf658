//! JSON with one element a line and closing brackets at the end of the last.

use serde_json::Value;

/// Writes `value` over several lines, two spaces deeper at each level.
pub(super) fn pretty(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Array(elements) if !elements.is_empty() => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                start_line(index, depth, out);
                pretty(element, depth + 1, out);
            }
            out.push(']');
        }
        Value::Object(members) if !members.is_empty() => {
            out.push('{');
            for (index, (name, member)) in members.iter().enumerate() {
                start_line(index, depth, out);
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push_str(": ");
                pretty(member, depth + 1, out);
            }
            out.push('}');
        }
        _ => out.push_str(&value.to_string()),
    }
}

fn start_line(index: usize, depth: usize, out: &mut String) {
    out.push_str(if index == 0 { "\n" } else { ",\n" });
    out.push_str(&"  ".repeat(depth + 1));
}

#[cfg(test)]
mod tests {
    #[test]
    fn closing_brackets_end_the_last_line() {
        let mut out = String::new();
        super::pretty(&serde_json::json!({"data": [["a", []]]}), 0, &mut out);
        assert_eq!(out, "{\n  \"data\": [\n    [\n      \"a\",\n      []]]}");
    }
}
