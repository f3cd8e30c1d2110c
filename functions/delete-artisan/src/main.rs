fn main() -> std::process::ExitCode {
    shared::serve(&delete_artisan::OPERATION)
}
