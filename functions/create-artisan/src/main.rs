fn main() -> std::process::ExitCode {
    shared::serve(&create_artisan::OPERATION)
}
