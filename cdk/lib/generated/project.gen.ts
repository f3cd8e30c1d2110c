// Generated from the project's name by `cargo xtask generate`: do not edit.

/** The name in stacks, scopes, the database and the like. */
export const NAME = "atelier";

/** The name for people to read. */
export const TITLE = "Atelier";

/** The CloudWatch namespace of the functions' metrics. */
export const METRICS_NAMESPACE = "Atelier";
