fn main() -> std::process::ExitCode {
    shared::serve(&search_products::OPERATION)
}
