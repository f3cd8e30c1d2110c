fn main() -> std::process::ExitCode {
    shared::serve(&list_artisan_history::OPERATION)
}
