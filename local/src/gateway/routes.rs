//! Finds the function for a method and path. Paths are matched segment by segment as they were sent: an encoded slash
//! does not separate segments, an encoded letter equals that letter, and one trailing slash is ignored. As with API
//! Gateway, functions receive path parameters still encoded.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, bail};
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// All but the unreserved characters of RFC 3986. These are encoded in the normalised paths that are matched.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One method of one resource and the function behind it.
#[derive(Clone, Debug)]
pub struct Route {
    /// The HTTP method; HEAD is not derived from GET.
    pub method: Method,
    /// The resource's template: `/v1/products/{id}`, or `/files/{path+}` for all paths below.
    pub path: String,
    /// The function's name.
    pub function: String,
    /// Whether everyone may call it, without an authoriser or API key, whatever the stage requires.
    pub is_open: bool,
}

/// The routes of an API.
pub(super) struct Routes {
    tree: matchit::Router<usize>,
    resources: Vec<Resource>,
}

/// A path template with its methods.
pub(super) struct Resource {
    /// Six characters, like API Gateway's random ids, but derived from the template.
    pub(super) id: String,
    pub(super) template: String,
    methods: HashMap<Method, Target>,
}

/// The function behind a method of a resource.
struct Target {
    function: String,
    is_open: bool,
}

/// The resource and function of a request.
pub(super) struct Matched<'r> {
    pub(super) resource: &'r Resource,
    pub(super) function: &'r str,
    /// Whether everyone may call it.
    pub(super) is_open: bool,
    /// Percent-encoded, as the client sent them.
    pub(super) parameters: BTreeMap<String, String>,
}

impl Routes {
    pub(super) fn new(routes: Vec<Route>) -> anyhow::Result<Self> {
        let mut resources: Vec<Resource> = Vec::new();
        for Route { method, path, function, is_open } in routes {
            let template = without_trailing_slash(&path);
            let known = resources.iter().position(|resource| resource.template == template);
            let index = known.unwrap_or_else(|| {
                resources.push(Resource::new(template));
                resources.len() - 1
            });
            let target = Target { function, is_open };
            if resources[index].methods.insert(method.clone(), target).is_some() {
                bail!("there are two routes for {method} {path}");
            }
        }
        let mut tree = matchit::Router::new();
        for (index, resource) in resources.iter().enumerate() {
            tree.insert(pattern(&resource.template), index)
                .with_context(|| format!("the route {} conflicts with another one", resource.template))?;
        }
        Ok(Self { tree, resources })
    }

    /// The resource of a path, whatever its methods.
    pub(super) fn resource(&self, path: &str) -> Option<&Resource> {
        let found = self.tree.at(&normalised(without_trailing_slash(path))).ok().map(|found| *found.value)?;
        Some(&self.resources[found])
    }

    /// The resource and function of a request. Static segments take precedence over parameters. A resource without the
    /// method counts as not found.
    pub(super) fn find(&self, method: &Method, path: &str) -> Option<Matched<'_>> {
        let resource = self.resource(path)?;
        let Target { function, is_open } = resource.methods.get(method)?;
        let parameters = resource.parameters(without_trailing_slash(path));
        Some(Matched { resource, function, is_open: *is_open, parameters })
    }
}

impl Resource {
    /// The methods in alphabetical order.
    pub(super) fn methods(&self) -> Vec<&Method> {
        let mut methods: Vec<_> = self.methods.keys().collect();
        methods.sort_by_key(|method| method.as_str());
        methods
    }

    /// The parameters of a path that matches this resource.
    fn parameters(&self, path: &str) -> BTreeMap<String, String> {
        let mut parameters = BTreeMap::new();
        let mut rest = path;
        for part in self.template.split('/') {
            let (segment, after) = rest.split_once('/').unwrap_or((rest, ""));
            if let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                // A greedy parameter is the last part of its template.
                let (name, value) = name.strip_suffix('+').map_or((name, segment), |name| (name, rest));
                parameters.insert(name.to_owned(), value.to_owned());
            }
            rest = after;
        }
        parameters
    }

    fn new(template: &str) -> Self {
        // FNV-1a: well distributed, and the same in every process.
        let hash = template.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self {
            id: format!("{:06x}", hash & 0xff_ffff),
            template: template.to_owned(),
            methods: HashMap::new(),
        }
    }
}

fn without_trailing_slash(path: &str) -> &str {
    match path.strip_suffix('/') {
        None | Some("") => path,
        Some(path) => path,
    }
}

/// The template in the router's syntax.
fn pattern(template: &str) -> String {
    let segments = template.split('/').map(|segment| match segment.strip_prefix('{') {
        Some(parameter) => match parameter.strip_suffix("+}") {
            Some(name) => format!("{{*{name}}}"),
            None => segment.to_owned(),
        },
        None => normalised(segment),
    });
    segments.collect::<Vec<_>>().join("/")
}

/// The path with every segment decoded and encoded again, so that equal paths are spelled the same.
fn normalised(path: &str) -> String {
    let segments = path.split('/').map(|segment| {
        let decoded: Vec<u8> = percent_decode_str(segment).collect();
        percent_encode(&decoded, RESERVED).to_string()
    });
    segments.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(paths: &[&str]) -> anyhow::Result<Routes> {
        let route = |path: &&str| Route {
            method: Method::GET,
            path: (*path).to_owned(),
            function: (*path).to_owned(),
            is_open: false,
        };
        Routes::new(paths.iter().map(route).collect())
    }

    fn found(path: &str) -> Option<(String, BTreeMap<String, String>)> {
        let routes = routes(&[
            "/v1/products",
            "/v1/products/{id}",
            "/v1/products/search",
            "/docs",
            "/files/{path+}",
            "/",
        ]);
        let routes = routes.unwrap();
        let matched = routes.find(&Method::GET, path)?;
        assert_eq!(matched.function, matched.resource.template);
        Some((matched.resource.template.clone(), matched.parameters))
    }

    #[test]
    fn finds_the_resource_of_a_path() {
        for (path, template, parameters) in [
            ("/", "/", None),
            ("/docs", "/docs", None),
            ("/docs/", "/docs", None),
            ("/v1/%70roducts", "/v1/products", None),
            ("/v1/products/", "/v1/products", None),
            ("/v1/products/search", "/v1/products/search", None),
            ("/v1/products/search/", "/v1/products/search", None),
            ("/v1/products/7", "/v1/products/{id}", Some(("id", "7"))),
            ("/v1/products/7/", "/v1/products/{id}", Some(("id", "7"))),
            ("/v1/products/searching", "/v1/products/{id}", Some(("id", "searching"))),
            ("/v1/products/a%2Fb", "/v1/products/{id}", Some(("id", "a%2Fb"))),
            ("/v1/products/%252F", "/v1/products/{id}", Some(("id", "%252F"))),
            ("/v1/products/a+b%20c", "/v1/products/{id}", Some(("id", "a+b%20c"))),
            ("/v1/products/%E6%BC%86", "/v1/products/{id}", Some(("id", "%E6%BC%86"))),
            ("/v1/products/100%", "/v1/products/{id}", Some(("id", "100%"))),
            ("/v1/products/%ff", "/v1/products/{id}", Some(("id", "%ff"))),
            ("/v1/products/%7Bid%7D", "/v1/products/{id}", Some(("id", "%7Bid%7D"))),
            ("/v1/%70roducts/%37", "/v1/products/{id}", Some(("id", "%37"))),
            ("/files/a/b%20c", "/files/{path+}", Some(("path", "a/b%20c"))),
        ] {
            let parameters =
                parameters.into_iter().map(|(name, value): (&str, &str)| (name.to_owned(), value.to_owned()));
            assert_eq!(found(path), Some((template.to_owned(), parameters.collect())), "{path}");
        }
    }

    #[test]
    fn finds_nothing_for_other_paths() {
        for path in
            ["", "*", "/v1", "/v1/products//", "/v1//products", "/V1/products", "/v1/products/7/8", "/docs//"]
        {
            assert_eq!(found(path), None, "{path}");
        }
    }

    #[test]
    fn knows_methods_apart() {
        let routes = routes(&["/v1/products/search"]).unwrap();
        assert!(routes.find(&Method::HEAD, "/v1/products/search").is_none());
        assert!(routes.find(&Method::DELETE, "/v1/products/search").is_none());
    }

    #[test]
    fn refuses_routes_that_contradict_each_other() {
        assert!(routes(&["/v1/{a}", "/v1/{b}"]).is_err());
        assert!(routes(&["/v1", "/v1/"]).is_err());
    }
}
