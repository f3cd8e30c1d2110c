fn main() -> std::process::ExitCode {
    shared::serve(&search_artisans::OPERATION)
}
