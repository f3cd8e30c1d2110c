-- One login can serve every operation, as in `router` and `cargo lambda watch`: a writer may read a history, too.
-- It can still only add to one.
grant select on history to catalog_writer;
