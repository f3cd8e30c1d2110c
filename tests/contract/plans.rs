//! Every sort order, every filter, and the statements for idempotency keys use an index: checks the plans of the
//! statements that the operations run, on 100,000 rows of each table.

use std::collections::BTreeMap;

use domain::Visitor;
use harness::{Service, Setup, product_path, service_with};
use http::Method;
use serde_json::{Value, json};
use shared::{db::value::ColumnType, resource::Resource};

/// The number of rows in each table.
const ROWS: u32 = 100_000;

/// The id of the seventh row of every table, to which one row in 20,000 refers.
const SEVENTH: &str = "00000000-0000-7000-8000-000000000007";

/// The values of filters that no field has, by path and name.
const OTHER_FILTERS: [(&str, &str, &str); 3] = [
    ("/v1/changes", "resource", "product"),
    ("/v1/changes", "since", "2026-01-01T00:00:00Z"),
    ("/v1/changes", "wait", "0"),
];

/// Builds statements that fill the tables, and values that few rows have, from the resources' descriptions.
struct Filled {
    sql: String,
    tables: Vec<&'static str>,
    /// The values of filters, by path segment and name.
    values: BTreeMap<(&'static str, &'static str), String>,
    contract: Value,
}

impl Filled {
    fn new() -> Self {
        // The values do not satisfy the constraints.
        let sql = harness::DROP_CHECKS.to_owned();
        let contract = api::document::document().expect("the contract");
        let mut filled = Self { sql, tables: vec!["history"], values: BTreeMap::new(), contract };
        domain::visit(&mut filled);
        filled.sql.push_str("analyze");
        filled
    }

    /// The schema of the member `name` in requests to `resource`.
    fn schema(&self, resource: &str, name: &str) -> &Value {
        let schemas = &self.contract["components"]["schemas"];
        let schema = &schemas[format!("New{resource}")]["properties"][name];
        let reference = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
        reference.map_or(schema, |component| &schemas[component])
    }
}

impl Visitor for Filled {
    fn visit<T: Resource>(&mut self) {
        let (mut columns, mut expressions) = (Vec::new(), Vec::new());
        for field in T::FIELDS {
            let name = field.name;
            let words = self.schema(T::TYPE, name)["enum"].as_array();
            let words = words.map(|words| words.iter().take(4).filter_map(Value::as_str).collect::<Vec<_>>());
            let expression = match field.kind {
                ColumnType::Text => match &words {
                    Some(words) => format!("(array['{}'])[n % {} + 1]", words.join("', '"), words.len()),
                    None => format!("'{name} ' || n % 50000"),
                },
                ColumnType::Bool => "n % 50 = 0".to_owned(),
                ColumnType::Int4 | ColumnType::Int8 => "n % 90000".to_owned(),
                ColumnType::Uuid => {
                    "('00000000-0000-7000-8000-' || lpad((n % 20000 + 1)::text, 12, '0'))::uuid".to_owned()
                }
                ColumnType::Date => "date '2000-01-01' + n % 9000".to_owned(),
                ColumnType::Moment => "timestamptz '2000-01-01' + n * interval '1 s'".to_owned(),
            };
            columns.push(name);
            if let Some((derived, _)) = field.derived {
                columns.push(derived);
                expressions.push(expression.clone());
            }
            expressions.push(expression);
        }
        let (table, name) = (T::TABLE, T::NAME);
        let (columns, expressions) = (columns.join(", "), expressions.join(", "));
        self.sql.push_str(&format!(
            "
            alter table {table} disable trigger all;
            insert into {table} (id, {columns}, created_at, updated_at)
            select
              ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, {expressions},
              timestamptz '2026-01-01' + n * interval '1 s', now()
            from generate_series(1, {ROWS}) n;
            alter table {table} enable trigger all;
            insert into history (resource, resource_id, version, operation, request_id)
            select '{name}', ('00000000-0000-7000-8000-' || lpad((n % 1000 + 1)::text, 12, '0'))::uuid, n / 1000 + 1, 'o', 'r'
            from generate_series(0, {ROWS} - 1) n;"
        ));
        self.tables.push(table);
        for filter in T::FILTERS {
            let schema = self.schema(T::TYPE, filter.member);
            let field = T::FIELDS.iter().find(|field| field.name == filter.member).expect("a member");
            let limit = |bound: &str| schema[bound].as_i64();
            let value = match field.kind {
                ColumnType::Text => match schema["enum"][1].as_str() {
                    Some(word) => word.to_owned(),
                    None => format!("{} 7", filter.member),
                },
                ColumnType::Bool => "true".to_owned(),
                ColumnType::Int4 | ColumnType::Int8 if filter.condition().contains('>') => {
                    limit("maximum").unwrap_or(i64::MAX).min(89_990).to_string()
                }
                ColumnType::Int4 | ColumnType::Int8 => {
                    limit("minimum").unwrap_or(i64::MIN).max(9).to_string()
                }
                ColumnType::Uuid => SEVENTH.to_owned(),
                ColumnType::Date if filter.condition().contains('>') => "2024-08-01".to_owned(),
                ColumnType::Date => "2000-01-08".to_owned(),
                ColumnType::Moment => "2026-01-01T00:00:07Z".to_owned(),
            };
            self.values.insert((table, filter.name), value.replace(' ', "%20"));
        }
        if let Some(first) = T::MATCHES.first() {
            self.values.insert((table, "q"), format!("{first}%2012345"));
        }
    }
}

/// A server that logs the plans of all statements, including those within functions.
fn explained() -> Setup {
    let settings = [
        ("shared_preload_libraries", "auto_explain"),
        ("auto_explain.log_min_duration", "0"),
        ("auto_explain.log_format", "json"),
        ("auto_explain.log_nested_statements", "on"),
        ("auto_explain.log_analyze", "on"),
        ("auto_explain.log_timing", "off"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Setup { own_server: Some(settings), ..Setup::default() }
}

/// The result of `work`, and the plans of the statements that ran meanwhile.
async fn plans<T>(service: &Service, work: impl Future<Output = T>) -> (T, Vec<Value>) {
    let log = service.server().lock().await.log_path().to_owned();
    let start = std::fs::metadata(&log).expect("the server's log").len();
    let result = work.await;
    let text = std::fs::read_to_string(&log).expect("the server's log");
    let new = &text[usize::try_from(start).expect("a small log")..];
    // The lines of a plan begin with a tab, as all continuation lines of a log entry do.
    let documents = new.split("plan:\n").skip(1);
    let documents =
        documents.map(|text| text.lines().take_while(|line| line.starts_with('\t')).collect::<String>());
    (result, documents.map(|document| serde_json::from_str(&document).expect("a plan")).collect())
}

/// A list in the contract, with its parameters.
struct List {
    path: String,
    /// The required parameters, such as a search term.
    required: Vec<String>,
    sorts: Vec<String>,
    filters: Vec<String>,
}

impl List {
    /// All lists: a GET with the parameter `limit` is a list, and its other parameters are filters.
    fn all(filled: &Filled) -> Vec<Self> {
        let paths = filled.contract["paths"].as_object().expect("paths");
        let lists = paths
            .iter()
            .filter_map(|(path, item)| Self::of(path, item["get"]["parameters"].as_array()?, filled));
        lists.collect()
    }

    fn of(path: &str, parameters: &[Value], filled: &Filled) -> Option<Self> {
        let name = |parameter: &Value| parameter["name"].as_str().expect("a name").to_owned();
        let asked: Vec<_> = parameters.iter().filter(|parameter| parameter["in"] == "query").collect();
        asked.iter().find(|parameter| name(parameter) == "limit")?;
        // The last table in the path is the listed one.
        let listed = path.split('/').rfind(|segment| filled.tables.contains(segment));
        let mut list = Self {
            path: path.replace("{id}", SEVENTH),
            required: Vec::new(),
            sorts: Vec::new(),
            filters: Vec::new(),
        };
        for parameter in asked {
            match name(parameter).as_str() {
                "limit" | "cursor" => {}
                "sort" => {
                    let choices = parameter["schema"]["enum"].as_array().expect("choices");
                    list.sorts = choices
                        .iter()
                        .map(|choice| format!("sort={}", choice.as_str().expect("text")))
                        .collect();
                }
                filter => {
                    let value = filled
                        .values
                        .iter()
                        .find(|((table, name), _)| Some(*table) == listed && *name == filter);
                    let other = OTHER_FILTERS.iter().find(|(of, name, _)| *of == path && *name == filter);
                    let value = value.map(|(_, value)| value.as_str()).or(other.map(|(_, _, value)| *value));
                    let value = value.unwrap_or_else(|| {
                        panic!("{path} has a filter {filter} of its own: give it a value")
                    });
                    let filter = format!("{filter}={value}");
                    let is_required = parameter["required"] == true;
                    if is_required { &mut list.required } else { &mut list.filters }.push(filter);
                }
            }
        }
        Some(list)
    }

    /// The queries to test: without a filter and with each filter, in each order; and whether the index has that order.
    fn queries(&self) -> Vec<(String, bool)> {
        let none = String::new();
        let sorts = if self.sorts.is_empty() { std::slice::from_ref(&none) } else { &self.sorts };
        let is_within = self.path.contains(SEVENTH) && !self.path.ends_with("/history");
        let is_whole = self.required.is_empty() && !is_within;
        let mut queries = Vec::new();
        for filter in [&none].into_iter().chain(&self.filters) {
            for sort in sorts {
                let parts = self.required.iter().chain([filter, sort]).filter(|part| !part.is_empty());
                let query = parts.map(String::as_str).collect::<Vec<_>>().join("&");
                queries.push((format!("{}?{query}", self.path), is_whole && filter.is_empty()));
            }
        }
        queries
    }
}

/// Adds the types of the nodes of `plan` that were executed, and the tables that they read.
fn nodes(plan: &Value, found: &mut Vec<(String, String)>) {
    if plan["Actual Loops"] == 0 {
        return;
    }
    let text = |key: &str| plan[key].as_str().unwrap_or_default().to_owned();
    found.push((text("Node Type"), text("Relation Name")));
    for child in plan["Plans"].as_array().into_iter().flatten() {
        nodes(child, found);
    }
}

#[test]
fn no_list_reads_a_whole_table_and_no_sort_sorts_one() {
    service_with(explained(), async |service| {
        let filled = Filled::new();
        service.database().await.batch_execute(&filled.sql).await.expect("rows");
        let get = async |path: &str| {
            let (page, plans) = plans(service, service.client().get(path)).await;
            (page.expect(200).json(), plans)
        };
        let queries: Vec<_> = List::all(&filled).iter().flat_map(List::queries).collect();
        assert!(queries.iter().any(|(path, _)| path.contains("given_name=")), "{queries:?}");
        for (path, is_sorted_by_index) in queries {
            let (first, mut all) = get(&path).await;
            if let Some(cursor) = first["next_cursor"].as_str() {
                all.extend(get(&format!("{path}&cursor={cursor}")).await.1);
            }
            assert!(!all.is_empty(), "{path} has no plan in the log");
            for plan in all {
                let mut found = Vec::new();
                nodes(&plan["Plan"], &mut found);
                let is_ours = |table: &String| filled.tables.contains(&table.as_str());
                let scans = found.iter().filter(|(node, table)| node == "Seq Scan" && is_ours(table)).count();
                assert_eq!(scans, 0, "{path} reads a whole table: {plan}");
                let sorts = found.iter().filter(|(node, _)| node.contains("Sort")).count();
                assert!(!is_sorted_by_index || sorts == 0, "{path} sorts: {plan}");
            }
        }
    });
}

/// The maximum number of rows that a node of a plan has read, without those in memory, and the node's type.
fn most_read(plan: &Value) -> (u64, String) {
    let number = |key: &str| plan[key].as_f64().unwrap_or_default();
    let read = (number("Actual Rows") + number("Rows Removed by Filter")) * number("Actual Loops");
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of rows")]
    let read = read as u64;
    let node = plan["Node Type"].as_str().unwrap_or_default();
    let own = if node == "CTE Scan" { (0, String::new()) } else { (read, node.to_owned()) };
    plan["Plans"].as_array().into_iter().flatten().map(most_read).fold(own, Ord::max)
}

#[test]
fn a_term_that_all_names_have_is_found_without_reading_all() {
    service_with(explained(), async |service| {
        let filled = Filled::new();
        let database = service.database().await;
        database.batch_execute(&filled.sql).await.expect("rows");
        let leads = "insert into products_leads (gram, lead)
            select distinct gram, 'n' from unnest(search_grams(search_frame('name 12345'))) gram;
            vacuum analyze products_leads";
        for statement in leads.split(';').chain(["vacuum products"]) {
            database.batch_execute(statement).await.expect("leads");
        }
        for query in ["sort=relevance", "sort=name", "min_price=40000", "sort=name&max_price=50000"] {
            let first = format!("/v1/products/search?q=name&{query}");
            let page = service.client().get(&first).await.expect(200).json();
            let cursor = page["next_cursor"].as_str().expect("a second page");
            for path in [&first, &format!("{first}&cursor={cursor}")] {
                let (page, plans) = plans(service, service.client().get(path)).await;
                assert_eq!(page.expect(200).json()["items"].as_array().map(Vec::len), Some(20), "{path}");
                let plan = &plans.last().expect("a plan")["Plan"];
                let (rows, node) = most_read(plan);
                // The sample, give or take some pages.
                assert!(rows < 6_000, "{path} reads {rows} rows by a {node}: {plan}");
            }
        }
    });
}

/// A process decides by the result of a search whether the next one needs all ways to a page.
#[test]
fn a_small_table_is_searched_by_a_plain_statement_until_it_has_grown() {
    service_with(explained(), async |service| {
        service.create_product(json!({"name": "Cup", "price": 1})).await;
        let database = service.database().await;
        let is_sampled = async || {
            let (page, plans) = plans(service, service.client().get("/v1/products/search?q=cup")).await;
            assert_eq!(page.expect(200).json()["items"].as_array().map(Vec::len), Some(1));
            let mut found = Vec::new();
            plans.iter().for_each(|plan| nodes(&plan["Plan"], &mut found));
            found.iter().any(|(node, _)| node == "Sample Scan")
        };
        assert!(is_sampled().await, "the process has no statistics of the table");
        assert!(!is_sampled().await);
        let grown = "update pg_class set reltuples = 100000 where oid = 'products'::regclass";
        database.batch_execute(grown).await.expect("statistics");
        assert!(!is_sampled().await, "the process has not noticed the change");
        assert!(is_sampled().await);
    });
}

/// With 50,000 names of as many words, for each filter and order, and for the next page.
#[test]
fn near_hits_and_the_words_they_have_are_found_by_indexes() {
    service_with(explained(), async |service| {
        let filled = Filled::new();
        let database = service.database().await;
        let rows = format!(
            "insert into artisans (id, given_name, given_key, family_name, family_key, created_at, updated_at)
            select ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, name, name, name, name, now(), now()
            from generate_series(1, 50000) n,
              lateral (select case when n % 2500 = 0 then 'celadon' else left(md5(n::text), 9) end as name) name;
            insert into products (id, artisan_id, name, search_key, price, currency, created_at, updated_at)
            select a.id, '{SEVENTH}', family_name || ' 備前焼', family_key || ' 備前焼', 100, 'JPY', now(), now()
            from artisans a;
            analyze"
        );
        database.batch_execute(&rows).await.expect("rows");
        let searches = List::all(&filled).into_iter().filter(|list| list.path.ends_with("/search"));
        for list in searches {
            for filter in ["", "&currency=JPY", "&min_price=100", &format!("&artisan_id={SEVENTH}")] {
                for sort in &list.sorts {
                    let filter = if list.path.contains("products") { filter } else { "" };
                    let path = format!("{}?q=celadn&limit=5&{sort}{filter}", list.path);
                    let (page, mut all) = plans(service, service.client().get(&path)).await;
                    let page = page.expect(200).json();
                    assert_eq!(page["items"].as_array().map(Vec::len), Some(5), "{path}: {page}");
                    let next =
                        format!("{path}&cursor={}", page["next_cursor"].as_str().expect("a page after"));
                    let (page, plans) = plans(service, service.client().get(&next)).await;
                    assert_eq!(page.expect(200).json()["items"].as_array().map(Vec::len), Some(5), "{next}");
                    all.extend(plans);
                    let mut found = Vec::new();
                    all.iter().for_each(|plan| nodes(&plan["Plan"], &mut found));
                    for table in ["search_words", list.path.split('/').nth(2).expect("a table")] {
                        let of_table: Vec<_> = found.iter().filter(|(_, name)| name == table).collect();
                        assert!(!of_table.is_empty(), "{path} does not read {table}");
                        assert!(of_table.iter().all(|(node, _)| node != "Seq Scan"), "{path}: {all:#?}");
                    }
                }
            }
        }
    });
}

/// With many live keys and a backlog of expired ones, a write reads its own key and ten expired ones.
#[test]
fn a_write_costs_the_same_however_many_keys_there_are() {
    service_with(explained(), async |service| {
        let database = service.database().await;
        let product = product_path(&service.create_product(json!({"name": "Cup", "price": 1})).await);
        let fill = "
            insert into idempotency_keys (caller, key, fingerprint, expires_at)
            select '', 'key ' || n, '', now() + sign(n) * interval '1 hour' + n * interval '0.1 s'
            from generate_series(-100000, 200000) n;
            analyze idempotency_keys";
        database.batch_execute(fill).await.expect("300,000 keys");
        let expired = "select count(*) from idempotency_keys where expires_at <= now()";
        let mut backlog: i64 = database.query_one(expired, &[]).await.expect("a count").get(0);
        let (put, artisan) =
            (json!({"name": "Cup", "price": 3}), json!({"given_name": "Aoi", "family_name": "Abe"}));
        let new = json!({"name": "Dish", "price": 1});
        for (method, path, key, body, status) in [
            (Method::POST, "/v1/products", Some("new"), &new, 201),
            (Method::POST, "/v1/products", Some("new"), &new, 201),
            (Method::POST, "/v1/products", Some("key -5"), &new, 201),
            (Method::POST, "/v1/products", None, &new, 201),
            (Method::POST, "/v1/artisans", Some("another"), &artisan, 201),
            (Method::PATCH, &product, None, &json!({"price": 2}), 200),
            (Method::PUT, &product, None, &put, 200),
            (Method::DELETE, &product, None, &json!(null), 204),
        ] {
            let key = key.map(|key| ("idempotency-key", key));
            let headers = [&[("content-type", "application/json")], key.as_slice()].concat();
            let write = service.client().send(method.clone(), path, &headers, body.to_string());
            let (answer, plans) = plans(service, write).await;
            answer.expect(status);
            let mut found = Vec::new();
            for plan in &plans {
                nodes(&plan["Plan"], &mut found);
            }
            let on_keys: Vec<_> = found.iter().filter(|(_, table)| table == "idempotency_keys").collect();
            assert!(!on_keys.is_empty(), "{method} {path} forgets no key");
            assert!(on_keys.iter().all(|(node, _)| node != "Seq Scan"), "{method} {path}: {plans:#?}");
            let read: f64 = plans.iter().map(|plan| rows_read(&plan["Plan"])).sum();
            assert!(read < 60.0, "{method} {path} reads {read} rows: {plans:#?}");

            let left: i64 = database.query_one(expired, &[]).await.expect("a count").get(0);
            // One more if its own key was expired.
            assert!((10..=11).contains(&(backlog - left)), "{method} {path}: {backlog}, then {left}");
            backlog = left;
        }
    });
}

/// The number of rows that the scans of a plan have read.
fn rows_read(plan: &Value) -> f64 {
    let number = |key: &str| plan[key].as_f64().unwrap_or_default();
    let is_scan = plan["Node Type"].as_str().is_some_and(|node| node.contains("Scan"));
    let own = (number("Actual Rows") + number("Rows Removed by Filter")) * number("Actual Loops");
    let below: f64 = plan["Plans"].as_array().into_iter().flatten().map(rows_read).sum();
    below + if is_scan { own } else { 0.0 }
}
