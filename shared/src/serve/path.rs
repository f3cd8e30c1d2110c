//! The path of a request for log lines, without anything that a client may have written into it, except ids.

use uuid::Uuid;

use crate::operation::Route;

/// The length of a hyphenated UUID.
const ID_CHARACTERS: usize = 36;

/// The path template of `routes` that matches `path`, and the path with every parameter that is not an id
/// replaced by its name. A prefix of the template, such as a stage or a base path, is kept: API Gateway set
/// it.
pub(super) fn of(routes: &'static [Route], path: &str) -> (&'static str, String) {
    let path = path.trim_end_matches('/');
    let found = routes.iter().find_map(|route| Some((route.path, shown(route.path, path)?)));
    found.unwrap_or_else(|| {
        let template = routes.first().map_or("", |route| route.path);
        (template, template.to_owned())
    })
}

fn shown(template: &str, path: &str) -> Option<String> {
    let mut rest = path;
    let mut segments = Vec::with_capacity(8);
    for part in template.rsplit('/').filter(|part| !part.is_empty()) {
        let (before, segment) = rest.rsplit_once('/')?;
        let is_parameter = part.starts_with('{');
        if !is_parameter && part != segment {
            return None;
        }
        segments.push(if is_parameter && !is_id(segment) { part } else { segment });
        rest = before;
    }
    let mut shown = String::with_capacity(path.len() + 8);
    shown.push_str(rest);
    for segment in segments.iter().rev() {
        shown.push('/');
        shown.push_str(segment);
    }
    Some(shown)
}

fn is_id(segment: &str) -> bool {
    segment.len() == ID_CHARACTERS && Uuid::try_parse(segment).is_ok()
}

#[cfg(test)]
mod tests {
    use ::http::Method;

    use super::*;

    static ROUTES: [Route; 2] =
        [Route::new(Method::GET, "/v1/artisans/{id}/products"), Route::new(Method::GET, "/v1/products/{id}")];

    #[test]
    fn shows_ids_and_nothing_else_that_a_client_writes() {
        let id = "01936b5e-7c00-7000-8000-000000000001";
        let product = format!("/v1/products/{id}");
        let staged = format!("/prod{product}");
        for (path, route, shown) in [
            (product.as_str(), ROUTES[1].path, product.as_str()),
            (staged.as_str(), ROUTES[1].path, staged.as_str()),
            ("/v1/products/sesame/", ROUTES[1].path, "/v1/products/{id}"),
            ("/v1/products/0123456789abcdef0123456789abcdef", ROUTES[1].path, "/v1/products/{id}"),
            ("/v1/artisans/x/products", ROUTES[0].path, "/v1/artisans/{id}/products"),
            ("/sesame", ROUTES[0].path, ROUTES[0].path),
            ("", ROUTES[0].path, ROUTES[0].path),
        ] {
            assert_eq!(of(&ROUTES, path), (route, shown.to_owned()), "{path}");
        }
    }
}
