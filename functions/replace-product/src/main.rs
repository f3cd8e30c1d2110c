fn main() -> std::process::ExitCode {
    shared::serve(&replace_product::OPERATION)
}
