//! Refuses rows that are of the right types and mean nothing, so that whoever writes them is told.
//!
//! Names that do not exist are no error: what is named may be written later.

use model::nb::{self, AddressSet};
use model::{Changes, ErrorKind, RowFault, Table, TransactionError, acl, lb, nat, qos};

/// Refuses a transaction that leaves such a row.
pub(super) fn check(changes: &Changes) -> Result<(), TransactionError> {
    check_address_sets(changes)?;
    check_table(changes, acl)?;
    check_table(changes, lb::check)?;
    check_table(changes, |row| lb::HealthCheck::parse(row).map(drop))?;
    check_table(changes, |row| nat::Nat::parse(row).map(drop))?;
    check_table(changes, qos)
}

fn check_table<T: Table>(
    changes: &Changes,
    check: impl Fn(&T) -> Result<(), RowFault>,
) -> Result<(), TransactionError> {
    for change in changes.of(T::NAME) {
        let row = change.new.as_deref().map(T::from_row);
        if let Some(Ok(row)) = row {
            check(&row).map_err(|fault| refusal::<T>(&fault))?;
        }
    }
    Ok(())
}

fn refusal<T: Table>(fault: &RowFault) -> TransactionError {
    let details = format!("{} {fault}", T::NAME);
    TransactionError::new(ErrorKind::ConstraintViolation, details)
}

fn acl(row: &nb::Acl) -> Result<(), RowFault> {
    acl::Acl::parse(row)?;
    matches(&row.r#match)
}

fn qos(row: &nb::Qos) -> Result<(), RowFault> {
    qos::Qos::parse(row)?;
    matches(&row.r#match)
}

fn matches(source: &str) -> Result<(), RowFault> {
    let checked = expr::parse(source);
    checked.map(drop).map_err(|error| fault(source, &error))
}

/// What is wrong with a match, in a line, and below it where.
fn fault(source: &str, error: &expr::Diagnostic) -> RowFault {
    let rendered = error.render(source);
    let drawing = rendered.split_once('\n').map_or("", |(_, rest)| rest);
    let message = format!(
        "{} (at character {})\n{drawing}",
        error.message,
        error.column(source)
    );
    RowFault::new("match", message)
}

/// Looks at the addresses that are new only, since sets are large and change by little.
fn check_address_sets(changes: &Changes) -> Result<(), TransactionError> {
    for change in changes.of(AddressSet::NAME) {
        let read = |row: &Option<_>| -> Option<AddressSet> {
            let row: &std::sync::Arc<model::Row> = row.as_ref()?;
            AddressSet::from_row(row).ok()
        };
        let old = read(&change.old).map(|set| set.addresses);
        let old = old.unwrap_or_default();
        let new = read(&change.new).map(|set| set.addresses);
        for address in new.iter().flat_map(|new| new.difference(&old)) {
            if address.parse::<expr::Constant>().is_err() {
                let message = format!("{address:?} is not an address or network");
                return Err(refusal::<AddressSet>(&RowFault::new("addresses", message)));
            }
        }
    }
    Ok(())
}
