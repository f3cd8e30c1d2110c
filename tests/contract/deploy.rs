//! The stack of `template.yaml`, as far as it can be proven without an AWS account.

mod custom_resource;
