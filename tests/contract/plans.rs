//! Every sort and every filter has an index, and so has what a write does about idempotency keys: the plans of the very
//! statements that the operations run, on 200,000 rows.

use harness::{Atelier, Setup, atelier_with, product_path};
use http::Method;
use serde_json::{Value, json};

const FILL: &str = "
    insert into artisans (id, given_name, given_key, family_name, family_key, created_at, updated_at)
    select ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'g' || n, 'g' || n, 'f' || n, 'f' || n, now(), now()
    from generate_series(1, 20000) n;
    alter table products disable trigger all;
    insert into products (id, artisan_id, name, search_key, price, currency, created_at, updated_at)
    select
      ('10000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid,
      ('00000000-0000-7000-8000-' || lpad((n % 20000 + 1)::text, 12, '0'))::uuid,
      'Bowl ' || n % 50000, 'bowl ' || n % 50000, n % 90000, (array['JPY', 'EUR', 'USD', 'PLN'])[n % 4 + 1],
      timestamptz '2026-01-01' + n * interval '1 s', now()
    from generate_series(1, 200000) n;
    alter table products enable trigger all;
    insert into history (resource, resource_id, version, operation, request_id)
    select 'product', ('10000000-0000-7000-8000-' || lpad((n % 2000 + 1)::text, 12, '0'))::uuid, n / 2000 + 1, 'patchProduct', 'r'
    from generate_series(0, 199999) n;
    analyze";

/// A server that writes the plans of all statements to its log, those within functions included.
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

/// What `work` returns, and the plans of the statements that ran meanwhile.
async fn plans<T>(atelier: &Atelier, work: impl Future<Output = T>) -> (T, Vec<Value>) {
    let log = atelier.server().lock().await.log_path().to_owned();
    let start = std::fs::metadata(&log).expect("the server's log").len();
    let result = work.await;
    let text = std::fs::read_to_string(&log).expect("the server's log");
    let new = &text[usize::try_from(start).expect("a small log")..];
    // A document's lines begin with a tab, as all further lines of an entry do.
    let documents = new.split("plan:\n").skip(1);
    let documents =
        documents.map(|text| text.lines().take_while(|line| line.starts_with('\t')).collect::<String>());
    (result, documents.map(|document| serde_json::from_str(&document).expect("a plan")).collect())
}

/// A list of the contract, by what can be asked of it.
struct List {
    path: String,
    /// What it cannot do without, such as a search term.
    required: Vec<String>,
    sorts: Vec<String>,
    filters: Vec<String>,
}

impl List {
    /// All of them: a GET that takes a limit is a list, and whatever else it takes is a filter.
    fn all() -> Vec<Self> {
        let contract = api::document::document().expect("the contract");
        let paths = contract["paths"].as_object().expect("paths");
        let lists =
            paths.iter().filter_map(|(path, item)| Self::of(path, item["get"]["parameters"].as_array()?));
        lists.collect()
    }

    fn of(path: &str, parameters: &[Value]) -> Option<Self> {
        let name = |parameter: &Value| parameter["name"].as_str().expect("a name").to_owned();
        let asked: Vec<_> = parameters.iter().filter(|parameter| parameter["in"] == "query").collect();
        asked.iter().find(|parameter| name(parameter) == "limit")?;
        let owner = if path.contains("/artisans/") { ARTISAN } else { PRODUCT };
        let mut list = Self {
            path: path.replace("{id}", owner),
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
                    let filter = format!("{filter}={}", Self::value(path, filter));
                    let is_required = parameter["required"] == true;
                    if is_required { &mut list.required } else { &mut list.filters }.push(filter);
                }
            }
        }
        Some(list)
    }

    /// A value of `filter` that few rows have.
    fn value(path: &str, filter: &str) -> &'static str {
        match filter {
            "name" => "Bowl%207",
            "artisan_id" => ARTISAN,
            "min_price" => "89990",
            "max_price" => "9",
            "currency" => "EUR",
            "given_name" => "g7",
            "family_name" => "f7",
            "q" if path.contains("artisans") => "f12345",
            "q" => "bowl%2012345",
            other => panic!("give the filter {other} of {path} a value, and a row in FILL that has it"),
        }
    }

    /// What is asked of it in a test: nothing, and each filter, in each order; and whether its index has that order.
    fn queries(&self) -> Vec<(String, bool)> {
        let none = String::new();
        let sorts = if self.sorts.is_empty() { std::slice::from_ref(&none) } else { &self.sorts };
        let is_whole =
            self.required.is_empty() && (!self.path.ends_with("/products") || self.path == "/v1/products");
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

const ARTISAN: &str = "00000000-0000-7000-8000-000000000007";

const PRODUCT: &str = "10000000-0000-7000-8000-000000000007";

fn nodes(plan: &Value, found: &mut Vec<(String, String)>) {
    let text = |key: &str| plan[key].as_str().unwrap_or_default().to_owned();
    found.push((text("Node Type"), text("Relation Name")));
    for child in plan["Plans"].as_array().into_iter().flatten() {
        nodes(child, found);
    }
}

#[test]
fn no_list_reads_a_whole_table_and_no_sort_sorts_one() {
    atelier_with(explained(), async |atelier| {
        atelier.database().await.batch_execute(FILL).await.expect("200,000 products");
        let get = async |path: &str| {
            let (page, plans) = plans(atelier, atelier.client().get(path)).await;
            (page.expect(200).json(), plans)
        };
        let queries: Vec<_> = List::all().iter().flat_map(List::queries).collect();
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
                let of_ours = |table: &str| matches!(table, "products" | "artisans" | "history");
                let scans = found.iter().filter(|(node, table)| node == "Seq Scan" && of_ours(table)).count();
                assert_eq!(scans, 0, "{path} reads a whole table: {plan}");
                let sorts = found.iter().filter(|(node, _)| node.contains("Sort")).count();
                assert!(!is_sorted_by_index || sorts == 0, "{path} sorts: {plan}");
            }
        }
    });
}

/// With many keys, live ones and a backlog of expired ones, a write looks at its own key and at ten expired ones.
#[test]
fn a_write_costs_the_same_however_many_keys_there_are() {
    atelier_with(explained(), async |atelier| {
        let database = atelier.database().await;
        let product = product_path(&atelier.create_product(json!({"name": "Cup", "price": 1})).await);
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
            let write = atelier.client().send(method.clone(), path, &headers, body.to_string());
            let (answer, plans) = plans(atelier, write).await;
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
            // One more if its own key was an expired one.
            assert!((10..=11).contains(&(backlog - left)), "{method} {path}: {backlog}, then {left}");
            backlog = left;
        }
    });
}

/// How many rows the scans of a plan have looked at.
fn rows_read(plan: &Value) -> f64 {
    let number = |key: &str| plan[key].as_f64().unwrap_or_default();
    let is_scan = plan["Node Type"].as_str().is_some_and(|node| node.contains("Scan"));
    let own = (number("Actual Rows") + number("Rows Removed by Filter")) * number("Actual Loops");
    let below: f64 = plan["Plans"].as_array().into_iter().flatten().map(rows_read).sum();
    below + if is_scan { own } else { 0.0 }
}
