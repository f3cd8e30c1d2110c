fn main() -> std::process::ExitCode {
    shared::serve(&harness::misbehave::OPERATION)
}
