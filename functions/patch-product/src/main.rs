fn main() -> std::process::ExitCode {
    shared::serve(&patch_product::OPERATION)
}
