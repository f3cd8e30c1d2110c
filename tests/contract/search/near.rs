//! Searches tolerate typos: near hits come after exact ones in every order, and words are known as soon as a name has
//! them.

use std::collections::BTreeSet;

use futures_util::future::{join, join_all};
use harness::{empty_database, encoded, id, product_path, service};
use migrate::{embedded, migrate, migrate_by};
use serde_json::json;
use tokio_postgres::{Client, NoTls};

/// The rows of the table in `docs/search.md`: terms and their hits.
fn examples() -> Vec<(Vec<&'static str>, Vec<&'static str>)> {
    let (_, typos) = include_str!("../../../docs/search.md").split_once("## Typos").expect("a section");
    let rows = typos
        .lines()
        .take_while(|line| !line.starts_with("Precisely"))
        .filter(|line| line.starts_with("| `"));
    let rows = rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let terms = cells[1].split(", ").map(|term| term.trim_matches('`')).collect();
        (terms, cells[2].split(", ").collect())
    });
    rows.collect()
}

#[test]
fn the_examples_of_the_documentation_are_found() {
    service(async |service| {
        let examples = examples();
        assert!(examples.len() > 8, "{examples:?}");
        for name in examples.iter().flat_map(|(_, names)| names).collect::<BTreeSet<_>>() {
            service.create_product(json!({"name": name, "price": 1})).await;
        }
        service.create_artisan(json!({"given_name": "Hanako", "family_name": "Sato"})).await;
        for (terms, expected) in examples {
            for term in terms {
                let found = service.names(&format!("/v1/products/search?q={}", encoded(term))).await;
                if expected == ["Hanako Sato"] {
                    let path = format!("/v1/artisans/search?q={}", encoded(term));
                    assert_eq!(service.walk(&path).await.len(), 1, "{term}");
                } else {
                    assert!(
                        found.first().is_some_and(|name| expected.contains(&&**name)),
                        "{term}: {found:?}"
                    );
                }
            }
        }
    });
}

/// Walks through pages that end before, at and after the first near hit.
#[test]
fn near_hits_come_after_all_exact_ones_in_every_order() {
    service(async |service| {
        let artisan = service.create_artisan(json!({"given_name": "Aoi", "family_name": "Abe"})).await;
        for (name, price, currency, is_hers) in [
            ("Celladon vase", 100, "EUR", true),
            ("Celadon cup", 500, "EUR", true),
            ("Celadno bowl", 900, "JPY", false),
            ("Old celadon", 300, "JPY", true),
            ("Caladon jar", 300, "EUR", false),
            ("Celadonware", 700, "EUR", false),
            ("Celadan dish", 300, "EUR", true),
            ("Stoneware", 200, "EUR", true),
        ] {
            let artisan = if is_hers { json!(id(&artisan)) } else { json!(null) };
            let product = json!({"name": name, "price": price, "currency": currency, "artisan_id": artisan});
            service.create_product(product).await;
        }
        let hers = format!("&artisan_id={}", id(&artisan));
        for (query, exact, near) in [
            (
                "",
                vec!["Celadon cup", "Celadonware", "Old celadon"],
                vec!["Caladon jar", "Celadan dish", "Celadno bowl", "Celladon vase"],
            ),
            (
                "&sort=name",
                vec!["Celadon cup", "Celadonware", "Old celadon"],
                vec!["Caladon jar", "Celadan dish", "Celadno bowl", "Celladon vase"],
            ),
            (
                "&sort=price",
                vec!["Old celadon", "Celadon cup", "Celadonware"],
                vec!["Celladon vase", "Caladon jar", "Celadan dish", "Celadno bowl"],
            ),
            (
                "&sort=-price",
                vec!["Celadonware", "Celadon cup", "Old celadon"],
                vec!["Celadno bowl", "Celadan dish", "Caladon jar", "Celladon vase"],
            ),
            (
                "&sort=created_at",
                vec!["Celadon cup", "Old celadon", "Celadonware"],
                vec!["Celladon vase", "Celadno bowl", "Caladon jar", "Celadan dish"],
            ),
            (
                "&sort=-created_at",
                vec!["Celadonware", "Old celadon", "Celadon cup"],
                vec!["Celadan dish", "Caladon jar", "Celadno bowl", "Celladon vase"],
            ),
            ("&currency=JPY&sort=-price", vec!["Old celadon"], vec!["Celadno bowl"]),
            (
                "&max_price=300&sort=name",
                vec!["Old celadon"],
                vec!["Caladon jar", "Celadan dish", "Celladon vase"],
            ),
            (&hers, vec!["Celadon cup", "Old celadon"], vec!["Celadan dish", "Celladon vase"]),
            ("&min_price=901", vec![], vec![]),
            ("&max_price=100&sort=price", vec![], vec!["Celladon vase"]),
        ] {
            let all = [exact, near].concat();
            for limit in 1..=8 {
                let path = format!("/v1/products/search?q=celadon&limit={limit}{query}");
                assert_eq!(service.names(&path).await, all, "{path}");
            }
        }
    });
}

/// With a page full of exact hits, and with one that has one less.
#[test]
fn a_walk_sees_each_near_hit_once_while_others_come_and_go() {
    service(async |service| {
        for number in 10..20 {
            service.create_product(json!({"name": format!("Lantern {number}"), "price": 1})).await;
            service.create_product(json!({"name": format!("Lantren {number}"), "price": 1})).await;
        }
        for sort in ["relevance", "name", "created_at"] {
            let search = format!("/v1/products/search?q=lantern&limit=4&sort={sort}");
            let (mut path, mut seen) = (search.clone(), Vec::new());
            loop {
                let page = service.client().get(&path).await.expect(200).json();
                seen.extend(
                    page["items"].as_array().expect("items").iter().map(|item| item["name"].to_string()),
                );
                // New rows neither appear twice nor disturb the walk, wherever they are inserted.
                let new = json!({"name": format!("Lantern {}", seen.len()), "price": 1});
                let new = service.create_product(new).await;
                service.client().delete(&product_path(&new)).await.expect(204);
                let Some(cursor) = page["next_cursor"].as_str() else { break };
                path = format!("{search}&cursor={cursor}");
            }
            let of = |word: &str| (10..20).map(|number| format!("\"{word} {number}\"")).collect::<Vec<_>>();
            assert_eq!(seen, [of("Lantern"), of("Lantren")].concat(), "{sort}");
        }
    });
}

#[test]
fn a_word_is_known_as_soon_as_a_name_has_it() {
    service(async |service| {
        let search = "/v1/products/search?q=";
        assert_eq!(service.names(&format!("{search}celadn")).await, Vec::<String>::new());
        let product = service.create_product(json!({"name": "Celadon", "price": 1})).await;
        assert_eq!(service.names(&format!("{search}celadn")).await, ["Celadon"]);
        let path = product_path(&product);
        service.client().patch(&path, &json!({"name": "Porcelain"})).await.expect(200);
        assert_eq!(service.names(&format!("{search}porcelian")).await, ["Porcelain"]);
        assert_eq!(service.names(&format!("{search}celadn")).await, Vec::<String>::new());

        let artisan = service.create_artisan(json!({"given_name": "Wojciech", "family_name": "Nowak"})).await;
        let path = format!("/v1/artisans/{}", id(&artisan));
        service.client().patch(&path, &json!({"family_name": "Kowalczyk"})).await.expect(200);
        for term in ["kowalcyzk", "kowalcyzk%20wojciech", "wojceich%20kowalczyk"] {
            let found = service.walk(&format!("/v1/artisans/search?q={term}")).await;
            assert_eq!(found.len(), 1, "{term}");
        }
        // Words of products and of artisans are separate.
        assert!(service.walk("/v1/artisans/search?q=porcelian").await.is_empty());
    });
}

/// A row of an earlier release that matches by that release's folding must not appear again as a near hit.
#[test]
fn an_exact_hit_by_the_folding_before_is_not_found_as_a_near_hit_as_well() {
    service(async |service| {
        let old = "insert into products (id, name, search_key, price, currency, created_at, updated_at)
            values (gen_random_uuid(), 'Straßenlaterne', 'straßenlaterne', 1, 'JPY', now(), now())";
        service.database().await.batch_execute(old).await.expect("a row");
        for sort in ["relevance", "name", "-price"] {
            let path = format!("/v1/products/search?q=Stra%C3%9Fenlaterne&limit=1&sort={sort}");
            assert_eq!(service.names(&path).await, ["Straßenlaterne"], "{sort}");
        }
    });
}

/// A whole name stored as one word would remain after the artisan is deleted.
#[test]
fn only_single_words_of_artisans_are_kept() {
    service(async |service| {
        service.create_artisan(json!({"given_name": "Anna-Lena", "family_name": "van der Meer"})).await;
        let sql = "select part from search_words where resource = 'artisan' order by part";
        let parts = service.database().await.query(sql, &[]).await.expect("parts");
        let parts: Vec<String> = parts.iter().map(|row| row.get(0)).collect();
        assert_eq!(parts, ["anna", "anna-lena", "der", "lena", "meer", "van"]);
    });
}

/// Writers that learn the same words in different orders, including several rows in one statement.
#[test]
fn writers_of_the_same_new_words_do_not_fail() {
    service(async |service| {
        let words: Vec<_> = (0..40).map(|number| format!("word{}", number * 7 % 40)).collect();
        let creations = (0..8).map(|writer| {
            let mut words = words.clone();
            words.rotate_left(writer * 5);
            let product = json!({"name": words[..24].join(" "), "price": 1});
            service.create_product(product)
        });
        assert_eq!(join_all(creations).await.len(), 8);

        let insert = |order: &str| {
            format!(
                "insert into products (id, name, search_key, price, currency, created_at, updated_at)
                select gen_random_uuid(), 'x', 'new' || n, 1, 'JPY', now(), now()
                from generate_series(1, 3000) n order by n {order}"
            )
        };
        let (up, down) = (insert("asc"), insert("desc"));
        let (first, second) = (service.database().await, service.database().await);
        let (first, second) = join(first.batch_execute(&up), second.batch_execute(&down)).await;
        first.expect("rows in one order");
        second.expect("the same rows in the other order");
    });
}

async fn near(client: &Client, term: &str) -> Vec<String> {
    let sql = "select unnest(texts) from search_near('product', $1)";
    client.query(sql, &[&term]).await.expect("texts").iter().map(|row| row.get(0)).collect()
}

#[test]
fn a_migration_learns_the_words_of_rows_that_are_there_and_of_those_that_are_written_meanwhile() {
    empty_database(async |url| {
        let is_before = |name: &'static str| {
            let all = embedded();
            let until = all.iter().find(|migration| migration.name() == name).expect("a migration").version();
            all.into_iter().filter(|migration| migration.version() < until).collect::<Vec<_>>()
        };
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a connection");
        tokio::spawn(connection);
        let insert = async |key: &str| {
            let sql = format!(
                "insert into products (id, name, search_key, search_version, price, currency, created_at, updated_at)
                select gen_random_uuid(), 'x', {key}, -2, 1, 'JPY', now(), now() from generate_series(1, 5000) n"
            );
            client.batch_execute(&sql).await.expect("rows");
        };
        migrate_by(url, &is_before("search_words")).await.expect("the migrations before");
        insert("'lantern' || n").await;
        migrate_by(url, &is_before("learn_search_words")).await.expect("the triggers");
        insert("'kettle' || n").await;
        assert_eq!(near(&client, "lantern50x0").await, Vec::<String>::new());
        assert!(near(&client, "kettle50x0").await.contains(&"kettle5000".to_owned()));
        // As if the migration was interrupted after some batches.
        let some = "insert into search_words values ('product', 'lantern7')";
        client.batch_execute(some).await.expect("a word");
        migrate(url).await.expect("the words");
        for word in ["lantern50x0", "lantern7x", "lantern44x44", "kettle50x0"] {
            assert!(near(&client, word).await.contains(&word.replace('x', "")), "{word}");
        }
    });
}
