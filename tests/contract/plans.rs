//! Every sort and every filter has an index: the plans of the very statements that the operations run, on 200,000
//! rows.

use harness::{Atelier, Setup, atelier_with};
use serde_json::Value;

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

/// The plans of the statements that a GET of `path` runs, as auto_explain writes them to the server's log.
async fn plans(atelier: &Atelier, path: &str) -> (Value, Vec<Value>) {
    let log = atelier.server().lock().await.log_path().to_owned();
    let start = std::fs::metadata(&log).expect("the server's log").len();
    let page = atelier.client().get(path).await.expect(200).json();
    let text = std::fs::read_to_string(&log).expect("the server's log");
    let new = &text[usize::try_from(start).expect("a small log")..];
    // A document's lines begin with a tab, as all further lines of an entry do.
    let documents = new.split("plan:\n").skip(1);
    let documents =
        documents.map(|text| text.lines().take_while(|line| line.starts_with('\t')).collect::<String>());
    (page, documents.map(|document| serde_json::from_str(&document).expect("a plan")).collect())
}

fn nodes(plan: &Value, found: &mut Vec<(String, String)>) {
    let text = |key: &str| plan[key].as_str().unwrap_or_default().to_owned();
    found.push((text("Node Type"), text("Relation Name")));
    for child in plan["Plans"].as_array().into_iter().flatten() {
        nodes(child, found);
    }
}

#[test]
fn no_list_reads_a_whole_table_and_no_sort_sorts_one() {
    let settings = [
        ("shared_preload_libraries", "auto_explain"),
        ("auto_explain.log_min_duration", "0"),
        ("auto_explain.log_format", "json"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    atelier_with(Setup { own_server: Some(settings), ..Setup::default() }, async |atelier| {
        atelier.database().await.batch_execute(FILL).await.expect("200,000 products");
        let sorts = ["-created_at", "created_at", "name", "price", "-price"];
        let filters = [
            "name=Bowl%207",
            "artisan_id=00000000-0000-7000-8000-000000000007",
            "min_price=89990",
            "max_price=9",
            "currency=EUR",
        ];
        let mut paths: Vec<(String, bool)> =
            sorts.map(|sort| (format!("/v1/products?sort={sort}"), true)).to_vec();
        for filter in filters {
            paths.extend(sorts.map(|sort| (format!("/v1/products?sort={sort}&{filter}"), false)));
        }
        paths.extend(
            ["-created_at", "created_at", "name"].map(|sort| (format!("/v1/artisans?sort={sort}"), true)),
        );
        paths.push(("/v1/artisans?family_name=f7".to_owned(), false));
        paths.push(("/v1/artisans/00000000-0000-7000-8000-000000000007/products".to_owned(), false));
        paths.push(("/v1/products/search?q=bowl%2012345".to_owned(), false));
        paths.push(("/v1/artisans/search?q=f12345".to_owned(), false));
        paths.push(("/v1/products/10000000-0000-7000-8000-000000000007/history".to_owned(), true));
        for (path, is_sorted_by_index) in paths {
            let (first, mut all) = plans(atelier, &path).await;
            if let Some(cursor) = first["next_cursor"].as_str() {
                let separator = if path.contains('?') { '&' } else { '?' };
                all.extend(plans(atelier, &format!("{path}{separator}cursor={cursor}")).await.1);
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
