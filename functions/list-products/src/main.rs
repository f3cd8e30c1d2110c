fn main() -> std::process::ExitCode {
    shared::serve(&list_products::OPERATION)
}
