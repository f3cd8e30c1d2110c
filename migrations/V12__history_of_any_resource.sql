-- What history tells of is said where resources are described: a list of them here would be a second one.
alter table history drop constraint history_resource_check;
