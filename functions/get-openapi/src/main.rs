fn main() -> std::process::ExitCode {
    shared::serve(&get_openapi::OPERATION)
}
