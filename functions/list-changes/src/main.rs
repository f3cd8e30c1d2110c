fn main() -> std::process::ExitCode {
    shared::serve(&list_changes::OPERATION)
}
