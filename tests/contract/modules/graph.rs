//! The dependencies between the modules of a crate, read from its sources.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::{Path, PathBuf},
};

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, File, Item, ItemMod, Macro, UseTree, Visibility,
    visit::{self, Visit},
};

/// The name of a folder's own file among its modules.
const OWN: &str = "mod";

/// A path from the crate's root; the empty path is the root itself.
type Names = Vec<String>;

/// Modules of one folder that use each other.
#[derive(Debug)]
pub struct Circle {
    /// The path of the folder, such as `crate::gateway`.
    pub folder: String,
    /// The modules in alphabetical order.
    pub modules: Vec<String>,
    uses: Vec<String>,
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.folder, self.modules.join(", "))?;
        self.uses.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

/// The contents of a module.
#[derive(Default)]
struct Source {
    children: BTreeSet<String>,
    /// The paths that `use` brings into scope, by name.
    imports: BTreeMap<String, Names>,
    /// Every path, and every single name.
    paths: BTreeSet<Names>,
}

/// The dependencies within a folder: pairs of modules, with the path by which one uses the other.
type Uses = BTreeMap<(String, String), Names>;

/// The modules of a crate.
pub struct Crate {
    modules: BTreeMap<Names, Source>,
}

impl Crate {
    /// Reads the sources of the crate with this root.
    pub fn read(root: &Path) -> Self {
        let mut modules = BTreeMap::new();
        read(root, Names::new(), &mut modules);
        Self { modules }
    }

    /// The modules at the root.
    pub fn top(&self) -> &BTreeSet<String> {
        &self.modules[&Names::new()].children
    }

    /// The pairs of modules at the root of which one uses the other.
    pub fn top_uses(&self) -> BTreeSet<(String, String)> {
        self.uses(false).remove(&Names::new()).unwrap_or_default().into_keys().collect()
    }

    /// The circles. With `own_files`, a folder's own file counts as one of its modules.
    pub fn circles(&self, own_files: bool) -> Vec<Circle> {
        self.uses(own_files).iter().flat_map(|(folder, uses)| circles_of(folder, uses)).collect()
    }

    fn uses(&self, own_files: bool) -> BTreeMap<Names, Uses> {
        let mut folders: BTreeMap<Names, Uses> = BTreeMap::new();
        for (user, source) in &self.modules {
            for path in &source.paths {
                let Some(used) = owner(&self.modules, user, path, 0) else { continue };
                let shared = user.iter().zip(&used).take_while(|(one, other)| one == other).count();
                let below = |names: &Names| names.get(shared).cloned().unwrap_or_else(|| OWN.to_owned());
                let edge = (below(user), below(&used));
                if edge.0 != edge.1 && (own_files || (edge.0 != OWN && edge.1 != OWN)) {
                    let shown = folders.entry(user[..shared].to_vec()).or_default().entry(edge).or_default();
                    // Keep the longest path, which is the most specific.
                    if path.len() > shown.len() {
                        shown.clone_from(path);
                    }
                }
            }
        }
        folders
    }
}

fn circles_of(folder: &Names, uses: &Uses) -> Vec<Circle> {
    let reached = |from: &str| {
        let mut reached = BTreeSet::new();
        let mut open = vec![from.to_owned()];
        while let Some(at) = open.pop() {
            let next = uses.keys().filter(|(from, _)| *from == at).map(|(_, to)| to.clone());
            open.extend(next.filter(|to| reached.insert(to.clone())));
        }
        reached
    };
    let from: BTreeSet<_> = uses.keys().map(|(from, _)| from.clone()).collect();
    let reached: BTreeMap<_, _> = from.into_iter().map(|from| (from.clone(), reached(&from))).collect();
    let mut circles = BTreeSet::new();
    for (module, all) in reached.iter().filter(|(module, all)| all.contains(*module)) {
        let back = |to: &&String| reached.get(*to).is_some_and(|all| all.contains(module));
        circles.insert(all.iter().filter(back).cloned().collect::<Vec<_>>());
    }
    let describe = |modules: Vec<String>| {
        let is_in = |(from, to): &(String, String)| modules.contains(from) && modules.contains(to);
        let within = uses.iter().filter(|(edge, _)| is_in(edge));
        let uses =
            within.map(|((from, to), path)| format!("{from} uses {to} ({})", path.join("::"))).collect();
        let folder = std::iter::once("crate").chain(folder.iter().map(String::as_str));
        Circle { folder: folder.collect::<Vec<_>>().join("::"), modules, uses }
    };
    circles.into_iter().map(describe).collect()
}

/// The module that defines the item of `path`, which is used in `module`; `None` for an item of another crate.
fn owner(modules: &BTreeMap<Names, Source>, module: &Names, path: &[String], depth: usize) -> Option<Names> {
    // Limits the depth, since two modules may import everything from each other.
    if depth > modules.len() {
        return None;
    }
    let (first, mut rest) = path.split_first()?;
    let mut at = module.clone();
    match first.as_str() {
        "crate" => at.clear(),
        "self" => {}
        "super" => {
            at.pop();
        }
        // A single name may be a variable, but not a module.
        _ if modules[module].imports.contains_key(first) => rest = path,
        _ if modules[module].children.contains(first) && !rest.is_empty() => rest = path,
        _ => return None,
    }
    while let Some((name, after)) = rest.split_first() {
        if name == "super" {
            at.pop();
        } else if name == "self" {
        } else if modules[&at].children.contains(name) {
            at.push(name.clone());
        } else if let Some(import) = modules[&at].imports.get(name).filter(|import| **import != path) {
            let whole: Names = import.iter().chain(after).cloned().collect();
            return owner(modules, &at, &whole, depth + 1);
        } else {
            break;
        }
        rest = after;
    }
    Some(at)
}

/// Reads the files of a module and of its submodules.
fn read(file: &Path, module: Names, modules: &mut BTreeMap<Names, Source>) {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let File { items, .. } =
        syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let beside = file.parent().unwrap_or(Path::new(""));
    let folder = match stem {
        "lib" | "main" | "mod" => beside.to_owned(),
        _ => beside.join(stem),
    };
    read_items(&items, &folder, module, modules);
}

fn read_items(items: &[Item], folder: &Path, module: Names, modules: &mut BTreeMap<Names, Source>) {
    let mut source = Source::default();
    for item in items {
        source.visit_item(item);
        let Item::Mod(ItemMod { attrs, ident, content, .. }) = item else { continue };
        if is_for_tests(attrs) {
            continue;
        }
        let name = ident.to_string();
        source.children.insert(name.clone());
        let below: Names = module.iter().cloned().chain([name.clone()]).collect();
        match content {
            Some((_, items)) => read_items(items, &folder.join(name), below, modules),
            None => {
                let files: [PathBuf; 2] =
                    [folder.join(format!("{name}.rs")), folder.join(&name).join("mod.rs")];
                let file = files.iter().find(|file| file.exists());
                read(file.unwrap_or_else(|| panic!("no file of {}", below.join("::"))), below, modules);
            }
        }
    }
    modules.insert(module, source);
}

/// Whether an item exists only in tests and fuzz targets, which may use everything.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).any(|attribute| {
        let condition = attribute.meta.require_list().map(|list| list.tokens.to_string());
        condition
            .is_ok_and(|it| ["test", "fuzzing"].iter().any(|word| it.contains(word)) && !it.contains("not"))
    })
}

impl Source {
    fn import(&mut self, tree: &UseTree, before: &[String], is_private: bool) {
        let with = |name: &syn::Ident| before.iter().cloned().chain([name.to_string()]).collect::<Names>();
        let (path, name) = match tree {
            UseTree::Path(path) => return self.import(&path.tree, &with(&path.ident), is_private),
            UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.import(tree, before, is_private));
            }
            UseTree::Glob(_) => (before.to_vec(), None),
            UseTree::Rename(rename) => (with(&rename.ident), Some(rename.rename.to_string())),
            UseTree::Name(name) if name.ident == "self" => (before.to_vec(), before.last().cloned()),
            UseTree::Name(name) => (with(&name.ident), Some(name.ident.to_string())),
        };
        if let Some(name) = name {
            self.imports.insert(name, path.clone());
        }
        // A re-export alone is not a use.
        if is_private {
            self.paths.insert(path);
        }
    }

    /// Finds the paths in the arguments of a macro, whose syntax only the macro knows.
    fn scan(&mut self, tokens: TokenStream) {
        let mut path = Names::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.end(&mut path);
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.end(&mut path);
                    if let TokenTree::Group(group) = other {
                        self.scan(group.stream());
                    }
                    colons = 0;
                }
            }
        }
        self.end(&mut path);
    }

    fn end(&mut self, path: &mut Names) {
        let path = std::mem::take(path);
        if !path.is_empty() {
            self.paths.insert(path);
        }
    }
}

impl<'ast> Visit<'ast> for Source {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            // A nested module is read separately.
            Item::Mod(_) => return,
            Item::Use(it) if it.leading_colon.is_some() => return,
            Item::Use(it) if !is_for_tests(&it.attrs) => {
                return self.import(&it.tree, &[], matches!(it.vis, Visibility::Inherited));
            }
            Item::Const(it) => &it.attrs,
            Item::Enum(it) => &it.attrs,
            Item::Fn(it) => &it.attrs,
            Item::Impl(it) => &it.attrs,
            Item::Static(it) => &it.attrs,
            Item::Struct(it) => &it.attrs,
            Item::Trait(it) => &it.attrs,
            Item::Type(it) => &it.attrs,
            Item::Use(it) => &it.attrs,
            _ => &Vec::new(),
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    /// Ignores the path in `pub(super)`.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            self.end(&mut path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        self.scan(called.tokens.clone());
        visit::visit_macro(self, called);
    }
}
