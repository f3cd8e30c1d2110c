fn main() -> std::process::ExitCode {
    shared::serve(&patch_artisan::OPERATION)
}
