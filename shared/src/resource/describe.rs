//! The macro that describes a resource.

/// Declares the fields of a resource, one per line: `name: Type` is required; `name: Option<Type>` is
/// nullable and null by default; `name: Type = default` has a default. The comment above a field is its
/// description in the API contract. `=> column: function` adds a search column that is derived from the
/// field.
///
/// ```ignore
/// resource! {
///     /// A product of the catalogue.
///     pub struct Product: "product" in "products" {
///         id: ProductId,
///         /// The artisan who makes it, if known.
///         artisan_id: Option<ArtisanId>,
///         /// Its name.
///         name: Line<200> => search_key: text::fold,
///         /// The price's currency.
///         currency: Currency = Currency::default(),
///     }
/// }
/// ```
///
/// creates the type `Product` with these fields, `version`, `created_at` and `updated_at`, and implements
/// [`Described`](crate::resource::Described) for it. The field types implement
/// [`Member`](crate::resource::Member).
#[macro_export]
macro_rules! resource {
    (
        $(#[doc = $about:literal])+
        $visibility:vis struct $type:ident: $name:literal in $table:literal {
            id: $id:ty,
            $(
                $(#[doc = $member_about:literal])+
                $member:ident: $member_type:ty $(= $default:expr)? $(=> $derived:ident: $from:path)?
            ),+
            $(,)?
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        $visibility struct $type {
            /// Its id, a UUIDv7.
            pub id: $id,
            $($(#[doc = $member_about])+ pub $member: $member_type,)+
            /// 1 at creation, incremented by every change.
            pub version: i64,
            /// The time of creation.
            pub created_at: $crate::time::Moment,
            /// The time of the last change.
            pub updated_at: $crate::time::Moment,
        }

        impl $crate::resource::Described for $type {
            const TYPE: &'static str = stringify!($type);
            const NAME: &'static str = $name;
            const TABLE: &'static str = $table;
            const ABOUT: &'static str = concat!($($about),+);
            const FIELDS: &'static [$crate::resource::Field] = &[$(
                $crate::resource::Field::of::<$member_type>(stringify!($member))
                    $(.or(|| <$member_type as $crate::resource::Member>::value(&$default)))?
                    $(.derives(stringify!($derived), $from))?
            ),+];

            fn values(&self) -> Vec<$crate::db::value::Value> {
                vec![$($crate::resource::Member::value(&self.$member)),+]
            }

            fn read(row: &$crate::db::Row) -> Result<Self, $crate::db::Error> {
                Ok(Self {
                    id: $crate::resource::column(row, "id")?,
                    $($member: $crate::resource::column(row, stringify!($member))?,)+
                    version: row.try_get("version")?,
                    created_at: row.try_get("created_at")?,
                    updated_at: row.try_get("updated_at")?,
                })
            }

            fn accept(members: &mut $crate::http::JsonObject) -> Option<Self> {
                $(
                    let default: Option<fn() -> $member_type> = None $(.or(Some(|| $default)))?;
                    let $member = $crate::resource::accept(members, stringify!($member), default);
                )+
                let $crate::resource::Head { id, version, created_at, updated_at } = $crate::resource::Head::new();
                Some(Self { id: id.into(), $($member: $member?,)+ version, created_at, updated_at })
            }

            fn head(&self) -> $crate::resource::Head {
                let Self { id, version, created_at, updated_at, .. } = self.clone();
                $crate::resource::Head { id: id.into(), version, created_at, updated_at }
            }

            fn with_head(self, head: $crate::resource::Head) -> Self {
                let $crate::resource::Head { id, version, created_at, updated_at } = head;
                Self { id: id.into(), version, created_at, updated_at, ..self }
            }

            fn statements() -> &'static $crate::resource::Statements {
                static STATEMENTS: std::sync::LazyLock<$crate::resource::Statements> =
                    std::sync::LazyLock::new($crate::resource::Statements::of::<$type>);
                &STATEMENTS
            }

            fn schemas() -> Vec<$crate::resource::contract::MemberSchema> {
                vec![$({
                    let default: Option<$member_type> = None $(.or(Some($default)))?;
                    $crate::resource::contract::MemberSchema::of::<$member_type>(
                        stringify!($member),
                        concat!($($member_about),+),
                        default,
                    )
                }),+]
            }
        }
    };
}
