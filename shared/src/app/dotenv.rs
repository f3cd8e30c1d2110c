//! `.env` files, read literally: a `$` in a password is a `$`. The crates that read such files put variables in its place.
//!
//! A line is `NAME=value`, with or without `export` before it; `#` begins a comment, after a value only where white space
//! is before it. A value in single quotes is taken as it is, one in double quotes knows `\n`, `\r`, `\t`, `\"`, `\\` and
//! `\$`; both may go on over several lines. Without quotes, a value ends with its line.

use std::{fs, io, path::Path};

/// The variables of the file at `path`, in their order; none if there is no such file.
///
/// # Errors
/// Names the line that cannot be read, and nothing that stands in it: it may be a password.
pub fn read(path: &Path) -> Result<Vec<(String, String)>, String> {
    let fault = |fault: String| format!("{} {fault}", path.display());
    match fs::read_to_string(path) {
        Ok(text) => parse(&text).map_err(|number| fault(format!("has a malformed line, number {number}"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(fault(format!("cannot be read: {error}"))),
    }
}

/// The variables in `text`, or the number of the line that is not one.
fn parse(text: &str) -> Result<Vec<(String, String)>, usize> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut variables = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let number = text[..text.len() - rest.len()].matches('\n').count() + 1;
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            rest = after;
            continue;
        }
        let (name, value) = rest.split_once('=').ok_or(number)?;
        let name = name.trim();
        let name =
            name.strip_prefix("export").filter(|it| it.starts_with([' ', '\t'])).unwrap_or(name).trim();
        if !is_name(name) {
            return Err(number);
        }
        let value = value.trim_start_matches([' ', '\t']);
        let (value, after) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => quoted(&value[1..], quote).ok_or(number)?,
            _ => plain(value),
        };
        variables.push((name.to_owned(), value));
        rest = after;
    }
    Ok(variables)
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte))
}

/// A value without quotes, and what follows its line.
fn plain(text: &str) -> (String, &str) {
    let (line, after) = text.split_once('\n').unwrap_or((text, ""));
    let comment = line
        .match_indices('#')
        .map(|(index, _)| index)
        .find(|index| line[..*index].chars().next_back().is_none_or(char::is_whitespace));
    (line[..comment.unwrap_or(line.len())].trim().to_owned(), after)
}

/// A value up to its closing `quote`, and what follows its line, where there can only be a comment.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        if character == quote {
            let (line, after) = text[index + 1..].split_once('\n').unwrap_or((&text[index + 1..], ""));
            let line = line.trim();
            return (line.is_empty() || line.starts_with('#')).then_some((value, after));
        }
        if character == '\\' && quote == '"' {
            match characters.next()?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                escaped @ ('"' | '\\' | '$') => value.push(escaped),
                other => value.extend(['\\', other]),
            }
        } else {
            value.push(character);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(line: &str) -> String {
        let text = format!("# before\n{line}\nAFTER=1\n");
        let variables = parse(&text).unwrap_or_else(|number| panic!("{line}: line {number}"));
        let [(name, value), (after, _)] = &variables[..] else { panic!("{line}: {variables:?}") };
        assert_eq!((name.as_str(), after.as_str()), ("NAME", "AFTER"), "{line}");
        value.clone()
    }

    #[test]
    fn takes_values_literally() {
        for (line, expected) in [
            (
                "NAME=postgresql://u:a$zzz${HOME}$(id)`id`$$x@h/d",
                "postgresql://u:a$zzz${HOME}$(id)`id`$$x@h/d",
            ),
            ("NAME='a$zzz\\n\"b\"'", "a$zzz\\n\"b\""),
            (r#"NAME="a$zzz${HOME}\$HOME""#, "a$zzz${HOME}$HOME"),
            (r#"NAME="a\nb\t\"c\"\\d\e""#, "a\nb\t\"c\"\\d\\e"),
            ("export NAME=a", "a"),
            ("  export\tNAME = a  ", "a"),
            ("NAME=", ""),
            ("NAME=''", ""),
            ("NAME=a=b==", "a=b=="),
            ("NAME=host=h user=u password='a b'", "host=h user=u password='a b'"),
            ("NAME=a#b", "a#b"),
            ("NAME=a #b", "a"),
            ("NAME=#b", ""),
            ("NAME=\"a #b\" # c", "a #b"),
            ("NAME=a\\$b\\", "a\\$b\\"),
            ("NAME=it's", "it's"),
            ("NAME=a\r", "a"),
            ("NAME=\"a\"\r", "a"),
            ("NAME=\"a\nb\"", "a\nb"),
            ("NAME='-----BEGIN-----\nx\n-----END-----'", "-----BEGIN-----\nx\n-----END-----"),
            ("NAME=漆", "漆"),
        ] {
            assert_eq!(value(line), expected, "{line}");
        }
        assert_eq!(parse("\u{feff}A=1\r\n\r\n#\r\nB=2").unwrap().len(), 2);
        assert_eq!(parse("").unwrap(), []);
    }

    #[test]
    fn names_the_line_that_it_cannot_read_and_nothing_of_it() {
        for (text, number) in [
            ("A=1\nDATABASE_URL postgresql://u:sesame@h/d", 2),
            ("DATABASE_URL postgresql://u:sesame@h/d\nA=1", 1),
            ("A='1\n2'\n\nDATABASE_URL: sesame=1", 4),
            ("A=1\r\nB=\"sesame", 2),
            ("A='sesame' sesame", 1),
            ("=sesame", 1),
            ("1A=sesame", 1),
            ("exportA B=sesame", 1),
        ] {
            let file = tempfile::NamedTempFile::new().unwrap();
            fs::write(file.path(), text).unwrap();
            let fault = read(file.path()).unwrap_err();
            assert!(fault.ends_with(&format!("has a malformed line, number {number}")), "{text}: {fault}");
            assert!(!fault.contains("sesame"), "{fault}");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), b"A=sesame\xff").unwrap();
        let fault = read(file.path()).unwrap_err();
        assert!(fault.contains("cannot be read") && !fault.contains("sesame"), "{fault}");
        assert_eq!(read(&file.path().with_extension("none")), Ok(Vec::new()));
    }
}
