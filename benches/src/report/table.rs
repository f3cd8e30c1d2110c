//! Formats Markdown tables, and numbers for people.

use std::fmt::Write;

/// A table with a head and rows with the same number of cells. All columns but the first are aligned to the right.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = format!("\n| {} |\n|", head.join(" | "));
    for place in 0..head.len() {
        text += if place == 0 { " --- |" } else { " ---: |" };
    }
    text.push('\n');
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

/// `value` with three significant digits.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => grouped(value),
    }
}

/// `value` as a whole number with commas between thousands.
pub(super) fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 { format!("-{text}") } else { text }
}

/// `value` as a multiple of `of`.
pub(super) fn ratio(value: f64, of: f64) -> String {
    if of > 0.0 { format!("{} x", number(value / of)) } else { "-".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_commas_where_they_are_long() {
        let told = [0.0, 0.126, 4.6, 99.94, 328.4, 1153.2, 1_382_174.0, -2500.0].map(number);
        assert_eq!(told, ["0", "0.13", "4.60", "99.9", "328", "1,153", "1,382,174", "-2,500"]);
        assert_eq!([ratio(250.0, 73.0), ratio(1.0, 0.0)], ["3.42 x", "-"]);
    }

    #[test]
    fn a_table_is_markdown() {
        let rows = [vec!["floor".to_owned(), "1.0".to_owned()]];
        assert_eq!(table(&["a", "b"], &rows), "\n| a | b |\n| --- | ---: |\n| floor | 1.0 |\n");
    }
}
