//! The two forms of a connection string, parsed as libpq does: `postgresql://` URLs and `keyword=value`
//! pairs.

use percent_encoding::percent_decode_str;

/// A parameter of a connection string.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) value: String,
    /// Whether the name may be quoted in a message. It must not be if it could be part of a password whose
    /// special characters are not encoded.
    pub(super) is_presentable: bool,
}

/// The parameters of `text`, in order.
///
/// # Errors
/// Which part is malformed, without quoting it: the text contains a password.
pub(super) fn parameters(text: &str) -> Result<Vec<Parameter>, &'static str> {
    let url = ["postgresql://", "postgres://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    url.map_or_else(|| pairs(text), of_url)
}

fn of_url(rest: &str) -> Result<Vec<Parameter>, &'static str> {
    let (credentials, rest) = split_credentials(rest);
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (hosts, database) = place.split_once('/').unwrap_or((place, ""));
    if place.contains('@') {
        return Err("an `@` in a user name or password must be written as %40");
    }
    let mut parameters = Vec::new();
    let mut add = |name: &str, value: String| {
        if !value.is_empty() {
            parameters.push(Parameter { name: name.to_owned(), value, is_presentable: true });
        }
    };
    if let Some(credentials) = credentials {
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        add("user", decode(user)?);
        add("password", decode(password)?);
    }
    let (names, ports) = split_hosts(hosts)?;
    add("host", names);
    add("port", ports);
    add("dbname", decode(database)?);

    // An `@` here may belong to a password that contains a `?`.
    let is_clear = !query.contains('@');
    let mut has_password = false;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or("a parameter has no value")?;
        let name = decode(name)?;
        let is_presentable = is_clear && !has_password;
        has_password |= name == "password";
        parameters.push(Parameter { name, value: decode(value)?, is_presentable });
    }
    Ok(parameters)
}

/// Splits at the first `@` of the authority. A password may contain an unencoded `/`, but an `@` after a `?`
/// belongs to a parameter.
fn split_credentials(rest: &str) -> (Option<&str>, &str) {
    let authority = rest.find('/').unwrap_or(rest.len());
    let place = rest.find('?').unwrap_or(rest.len());
    let is_in_front = |index: &usize| *index < authority || *index < place;
    match rest.find('@').filter(is_in_front) {
        Some(index) => (Some(&rest[..index]), &rest[index + 1..]),
        None => (None, rest),
    }
}

/// The names and ports of `a:1,[::1]:2` as comma-separated lists; an empty string if no host has a port.
fn split_hosts(hosts: &str) -> Result<(String, String), &'static str> {
    let (mut names, mut ports) = (Vec::new(), Vec::new());
    for host in hosts.split(',') {
        let (name, port) = match host.strip_prefix('[') {
            Some(address) => {
                let (address, rest) = address.split_once(']').ok_or("an IPv6 address has no `]`")?;
                (address, rest.strip_prefix(':').unwrap_or(rest))
            }
            None => host.split_once(':').unwrap_or((host, "")),
        };
        names.push(decode(name)?);
        ports.push(port);
    }
    let ports = if ports.iter().all(|port| port.is_empty()) { String::new() } else { ports.join(",") };
    Ok((names.join(","), ports))
}

fn decode(text: &str) -> Result<String, &'static str> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(|text| text.into_owned()).map_err(|_| "percent-encoded text must be UTF-8")
}

/// `host=h password='open sesame'`: white space is allowed around `=`, and a backslash escapes the next
/// character.
fn pairs(text: &str) -> Result<Vec<Parameter>, &'static str> {
    let mut parameters = Vec::new();
    let mut is_presentable = true;
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or("a keyword has no value")?;
        let name = name.trim_end();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err("a keyword has no value");
        }
        let (value, is_quoted, after) = value(after.trim_start())?;
        parameters.push(Parameter { name: name.to_owned(), value, is_presentable });
        // The rest of an unquoted password with a blank looks like the next keyword.
        is_presentable &= name != "password" || is_quoted;
        rest = after.trim_start();
    }
    Ok(parameters)
}

/// The value at the start of `text`, whether it is quoted, and the rest.
fn value(text: &str) -> Result<(String, bool, &str), &'static str> {
    let quoted = text.strip_prefix('\'');
    let text = quoted.unwrap_or(text);
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, character)| character)),
            '\'' if quoted.is_some() => return Ok((value, true, &text[index + 1..])),
            blank if blank.is_whitespace() && quoted.is_none() => return Ok((value, false, &text[index..])),
            character => value.push(character),
        }
    }
    if quoted.is_some() { Err("a quoted value is not closed") } else { Ok((value, false, "")) }
}
