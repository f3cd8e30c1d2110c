use super::*;

fn parse(text: &str) -> ConnectionString {
    ConnectionString::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

fn fault(text: &str) -> String {
    ConnectionString::parse(text).map(|parsed| format!("{text} is {:?}", parsed.config)).unwrap_err()
}

#[test]
fn only_this_machine_goes_without_tls() {
    for text in [
        "postgresql://u@127.0.0.1/d",
        "postgresql://u@127.0.0.1:5433/d",
        "postgres://u@localhost/d",
        "postgresql://u@LocalHost/d",
        "postgresql://u@[::1]:5432/d",
        "postgresql://u@localhost:5433,127.0.0.1,[::1]:5434/d",
        "postgresql:///d?host=/run/postgresql",
        "postgresql://%2Frun%2Fpostgresql/d",
        "postgresql://%2Frun%2Fpostgresql/d?sslmode=require",
        "host=localhost user=u",
        "host=/run/postgresql user=u",
        "host=localhost hostaddr=127.0.0.1",
        "hostaddr=::1 user=u",
        "host=localhost password='sslmode=require'",
        "postgresql://u:sslmode%3Drequire@localhost/d",
        "postgresql://u@db.example.com/d?sslmode=disable",
        "host=db.example.com sslmode = 'disable'",
        "postgresql://u@db.example.com/d?ssl=false",
        "postgresql://u@db.example.com/d?ssl=true&sslmode=disable",
    ] {
        assert_eq!(parse(text).config.get_ssl_mode(), SslMode::Disable, "{text}");
    }
}

#[test]
fn every_other_machine_is_asked_for_tls() {
    for text in [
        "postgresql://u@db.example.com/d",
        "postgresql://u@db.example.com,localhost/d",
        "postgresql://u@localhost,db.example.com/d",
        "postgresql://u@localhost.example.com/d",
        "postgresql://u@10.0.0.1/d",
        "postgresql://u@127.0.0.2/d",
        "postgresql://u@0.0.0.0/d",
        "postgresql://u@[::2]/d",
        "postgresql://u@[::ffff:127.0.0.1]/d",
        "postgresql://u:p@/db?hostaddr=127.0.0.2",
        "postgresql://u:p@localhost/db?hostaddr=127.0.0.2",
        "postgresql://u:p@localhost/db?host=db.example.com",
        "hostaddr=127.0.0.2 port=5432 user=u",
        "host=localhost hostaddr=127.0.0.2",
        "host=db.example.com hostaddr=127.0.0.1",
        "host=localhost,localhost hostaddr=127.0.0.1,10.0.0.1",
        "host=/run/postgresql,db.example.com",
        "host = 'db.example.com' password = 'sslmode=disable'",
        "host=db.example.com password=sslmode=disable",
        "postgresql://u:sslmode=disable@db.example.com/d",
        "postgresql://sslmode=disable:p@db.example.com/sslmode=disable",
        "postgresql://u@db.example.com/d?application_name=sslmode%3Ddisable",
        "host=127.0.0.1 sslmode = require",
        "host=127.0.0.1 sslmode = 'verify-full'",
        "host=127.0.0.1\n sslmode=\n require",
        "postgresql://u@localhost/d?sslmode=require",
        "postgresql://u@localhost/d?sslmode=verify-ca",
        "postgresql://u@localhost/d?sslmode=verify-full",
        "postgresql://u@localhost/d?sslm%6Fde=require",
        "postgresql://u@localhost/d?ssl=true",
        "postgresql://u@localhost/d?ssl=false&sslmode=require",
        "postgresql://u@localhost/d?requiressl=1",
    ] {
        assert_eq!(parse(text).config.get_ssl_mode(), SslMode::Require, "{text}");
    }
    for text in ["postgresql://u@h/d?sslmode=prefer", "postgresql://u@h/d?sslmode=allow"] {
        assert_eq!(parse(text).config.get_ssl_mode(), SslMode::Prefer, "{text}");
    }
}

#[test]
fn takes_what_tools_put_into_connection_strings() {
    for text in [
        // Prisma
        "postgresql://u:p@h:5432/d?schema=public",
        "postgresql://u:p@h:6543/d?pgbouncer=true&connection_limit=1&pool_timeout=0&statement_cache_size=0",
        "postgresql://u:p@h/d?schema=public&sslmode=require&sslaccept=strict&connect_timeout=30&socket_timeout=10",
        // Supabase
        "postgres://postgres.ref:p@aws-0-ap-northeast-1.pooler.supabase.com:6543/postgres?pgbouncer=true",
        "postgres://u:p@h:6543/postgres?sslmode=require&supa=base-pooler.x",
        // Neon
        "postgresql://u:p@ep-x-pooler.us-east-2.aws.neon.tech/neondb?sslmode=require&channel_binding=require",
        "postgresql://u:p@h/d?sslmode=require&options=endpoint%3Dep-cool-darkness-123456",
        // AWS
        "host=c.x.ap-northeast-1.rds.amazonaws.com port=5432 dbname=d user=u sslmode=verify-full sslrootcert=/certs/global-bundle.pem",
        "postgresql://u:p@h/d?sslmode=verify-full&sslrootcert=system",
        // libpq
        "postgresql://other@localhost/otherdb?connect_timeout=10&application_name=myapp",
        "postgresql://host1:123,host2:456/somedb?target_session_attrs=any&application_name=myapp",
        "postgresql://user@localhost:5433/mydb?options=-c%20synchronous_commit%3Doff",
        "postgresql:///mydb?host=localhost&port=5433",
        "postgresql://[2001:db8::1234]/database",
        "host=h target_session_attrs=primary keepalives_count=3 gssencmode=prefer client_encoding=UTF8 sslsni=1",
        "postgresql://u:p@h/d?sslnegotiation=direct&load_balance_hosts=random",
        // JDBC, node-postgres, pgx, Rails
        "postgresql://u:p@h/d?ssl=true&currentSchema=public&ApplicationName=x&prepareThreshold=0",
        "postgresql://u:p@h/d?search_path=public&pool_max_conns=10&pool=5&encoding=utf8",
        // Empty is as good as absent.
        "postgresql://u:p@h/d?sslmode=&schema=&",
    ] {
        parse(text);
    }
}

#[test]
fn reads_every_part() {
    let config =
        parse("postgresql://us%40er:p%3Aa%2Fss@h1:1,[2001:db8::1],h3:3/d%20b?application_name=a+b").config;
    assert_eq!(config.get_user(), Some("us@er"));
    assert_eq!(config.get_password(), Some(&b"p:a/ss"[..]));
    let hosts = ["h1", "2001:db8::1", "h3"].map(|host| Host::Tcp(host.to_owned()));
    assert_eq!((config.get_hosts(), config.get_ports()), (&hosts[..], &[1, 5432, 3][..]));
    assert_eq!((config.get_dbname(), config.get_application_name()), (Some("d b"), Some("a+b")));

    // Passwords as people paste them.
    for (password, text) in [
        ("p/x", "postgresql://u:p/x@h/d"),
        ("p?x=1&y", "postgresql://u:p?x=1&y@h/d"),
        ("p#$%x", "postgresql://u:p#$%x@h/d"),
        ("a:b", "postgresql://u:a:b@h/d"),
        ("o'pe\\n se", r"host=h password='o\'pe\\n se'"),
        ("a b", r"host=h password=a\ b user=u"),
    ] {
        let config = parse(text).config;
        assert_eq!(config.get_password(), Some(password.as_bytes()), "{text}");
        assert_eq!(config.get_hosts(), [Host::Tcp("h".to_owned())], "{text}");
    }
    // The certificate of a host without a name is for its address.
    let config = parse("hostaddr=10.0.0.1,10.0.0.2").config;
    assert_eq!(config.get_hosts(), ["10.0.0.1", "10.0.0.2"].map(|host| Host::Tcp(host.to_owned())));
    let file = parse("host=h sslmode=verify-full sslrootcert='/my certs/ca.pem'").root_file;
    assert_eq!(file.as_deref(), Some("/my certs/ca.pem"));
}

#[test]
fn names_the_parameter_that_cannot_be_honoured() {
    for (text, name, advice) in [
        ("postgresql://u:sesame@h/d?schema=store", "schema", "can only be public"),
        ("postgresql://u:sesame@h/d?search_path=store", "search_path", "alter role"),
        ("postgresql://u:sesame@h/d?sslcert=c.pem", "sslcert", "password or DB_AUTH=iam"),
        ("postgresql://u:sesame@h/d?sslaccept=accept_invalid_certs", "sslaccept", "DB_CA_FILE"),
        ("postgresql://u:sesame@h/d?sslmode=no-verify", "sslmode", "verify-full"),
        ("postgresql://u:sesame@h/d?ssl=no-verify", "ssl", "always verified"),
        ("postgresql://u:sesame@h/d?client_encoding=LATIN1", "client_encoding", "UTF8"),
        ("host=h password=sesame service=store", "service", "into the URL"),
        ("postgresql://u:sesame@h/d?statement_timeout=5s", "statement_timeout", "on the role"),
        ("postgresql://u:sesame@h/d?frobnicate=1", "frobnicate", "remove it"),
        ("host=h frobnicate=1 password=sesame", "frobnicate", "remove it"),
    ] {
        let fault = fault(text);
        assert!(fault.contains(&format!("`{name}`")) && fault.contains(advice), "{text}: {fault}");
        assert!(!fault.contains("sesame"), "{fault}");
    }
    let both = fault("postgresql://u:p@h/d?schema=store&sslkey=k");
    assert!(both.contains("`schema`") && both.contains("`sslkey`"), "{both}");
    for (text, option) in [
        ("postgresql://u@h/d?connect_timeout=soon", "connect_timeout"),
        ("postgresql://u@h/d?channel_binding=maybe", "channel_binding"),
        ("postgresql://u@h/d?target_session_attrs=prefer-standby", "target_session_attrs"),
        ("hostaddr=h", "hostaddr"),
    ] {
        assert!(fault(text).ends_with(&format!(": invalid value for option `{option}`")), "{text}");
    }
}

#[test]
fn never_shows_a_value_or_a_piece_of_the_password() {
    for text in [
        "sesame",
        "postgresql://u:sesame",
        "postgresql://u:p@h:sesame/d",
        "postgresql://u:p@sesame@h/d",
        "postgresql://u:p@se?sesame=1@h/d",
        "postgresql://u:p@[sesame/d",
        "postgresql://u:p@h/d?password=a&sesame=1",
        "postgresql://u:p@h/d?sesame",
        "postgresql://u:p@h/d?open%20sesame%3D=1",
        "postgresql://u:p@h/d?sslmode=sesame",
        "postgresql://u:%ff@h/sesame",
        "password=open sesame=1",
        "password=open sesame",
        "password='open sesame",
        "mysql://u:sesame@h/d",
    ] {
        let fault = fault(text);
        assert!(fault.starts_with("DATABASE_URL") && !fault.contains("sesame"), "{text}: {fault}");
    }
}

#[test]
fn says_which_lists_do_not_fit() {
    assert!(fault("user=u dbname=d").contains("names no host"));
    assert!(fault("postgresql:///d").contains("names no host"));
    assert!(fault("host=a,b hostaddr=127.0.0.1").contains("2 hosts, but `hostaddr` 1"));
    assert!(fault("host=a,b,c port=1,2").contains("3 hosts, but 2 ports"));
}
