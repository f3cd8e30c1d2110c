fn main() -> std::process::ExitCode {
    shared::serve(&list_product_history::OPERATION)
}
