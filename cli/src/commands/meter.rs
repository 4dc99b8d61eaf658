//! Meters: `meter-*`.

use std::collections::BTreeSet;

use model::nb::{Meter, MeterBand};
use model::{Datum, Id};

use crate::command::{Call, Command, CommandOption, Group, MAY_EXIST};
use crate::context::Context;
use crate::failure::Failure;
use crate::number::scan_within;

/// The greatest rate and burst.
const MAX: i64 = u32::MAX as i64;

/// The family.
pub(super) static GROUP: Group = Group {
    title: "Meter commands",
    commands: &[
        Command::rows(
            "meter-add",
            ("NAME ACTION RATE UNIT [BURST]", 4, 5),
            "add a meter",
            add,
        )
        .options(&[
            CommandOption::flag("--fair", "limit each of its users on its own"),
            MAY_EXIST,
        ])
        .details(
            "What exceeds RATE is treated as ACTION says, which is always drop. UNIT is pktps (packets a second) \
             or kbps (kilobits a second); BURST is in packets or kilobits. With --may-exist a meter of this \
             NAME gets the new limit.",
        )
        .examples(&["meter-add acl-log drop 10 pktps", "--fair meter-add each drop 1000 kbps 200"]),
        Command::rows(
            "meter-del",
            ("[NAME]", 0, 1),
            "remove the meter NAME, or all meters",
            delete,
        ),
        Command::rows("meter-list", ("", 0, 0), "print all meters", list),
    ],
};

fn add(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let name = call.argument(0);
    let existing = context.rows.named::<Meter>(name).into_iter().next();
    if existing.is_some() && !call.has("--may-exist") {
        return Err(Failure::new(format!(
            "meter with name \"{name}\" already exists"
        )));
    }
    if name.starts_with("__") {
        return Err(Failure::new(
            "meter names that begin with \"__\" are reserved",
        ));
    }
    let limit = Limit::parse(call)?;
    match existing {
        Some(meter) => change(context, call, &meter, &limit),
        None => insert(context, call, &limit),
    }
    Ok(())
}

/// What `meter-add` is to set.
struct Limit<'a> {
    rate: i64,
    unit: &'a str,
    burst: i64,
}

impl<'a> Limit<'a> {
    fn parse(call: &'a Call) -> Result<Self, Failure> {
        if call.argument(1) != "drop" {
            return Err(Failure::new("action must be \"drop\""));
        }
        let rate = scan_within(call.argument(2), 1..=MAX)
            .ok_or_else(|| Failure::new(format!("rate must be in the range 1...{MAX}")))?;
        let unit = call.argument(3);
        if unit != "kbps" && unit != "pktps" {
            return Err(Failure::new("unit must be \"kbps\" or \"pktps\""));
        }
        let burst = match call.arguments().get(4) {
            Some(burst) => scan_within(burst, 0..=MAX)
                .ok_or_else(|| Failure::new(format!("burst must be in the range 0...{MAX}")))?,
            None => 0,
        };
        Ok(Self { rate, unit, burst })
    }
}

fn insert(context: &mut Context<'_>, call: &Call, limit: &Limit<'_>) {
    let band = new_band(context, limit);
    context.rows.add(&Meter {
        id: Id::random(),
        bands: BTreeSet::from([band]),
        fair: call.has("--fair").then_some(true),
        name: call.argument(0).to_owned(),
        unit: limit.unit.to_owned(),
        ..Meter::default()
    });
}

fn new_band(context: &mut Context<'_>, limit: &Limit<'_>) -> Id<MeterBand> {
    let band = MeterBand {
        id: Id::random(),
        action: "drop".to_owned(),
        burst_size: limit.burst,
        rate: limit.rate,
        ..MeterBand::default()
    };
    context.rows.add(&band);
    band.id
}

/// Gives an existing meter the limit as its only band.
fn change(context: &mut Context<'_>, call: &Call, meter: &Meter, limit: &Limit<'_>) {
    let band = match meter.bands.first() {
        Some(&band) => {
            let rows = &mut context.rows;
            rows.update(band, "action", Datum::scalar("drop"));
            rows.update(band, "rate", Datum::scalar(limit.rate));
            rows.update(band, "burst_size", Datum::scalar(limit.burst));
            band
        }
        None => new_band(context, limit),
    };
    let rows = &mut context.rows;
    rows.update(meter.id, "unit", Datum::scalar(limit.unit));
    rows.update(meter.id, "bands", Datum::scalar(band.uuid()));
    if call.has("--fair") {
        rows.update(meter.id, "fair", Datum::scalar(true));
    }
}

fn delete(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let meters = match call.arguments() {
        [name, ..] => context.rows.named::<Meter>(name),
        [] => context.rows.all::<Meter>(),
    };
    for meter in meters {
        context.rows.remove(meter.id);
    }
    Ok(())
}

fn list(context: &mut Context<'_>, _: &Call) -> Result<(), Failure> {
    for meter in context.rows.all::<Meter>() {
        let fair = match meter.fair {
            Some(true) => " (fair)",
            Some(false) => " (shared)",
            None => "",
        };
        context.line(format!("{}:{fair} bands:", meter.name));
        let bands = meter.bands.iter();
        let bands: String = bands
            .filter_map(|&band| context.rows.get(band))
            .map(|band| band_text(&meter, &band))
            .collect();
        context.line(bands);
    }
    Ok(())
}

fn band_text(meter: &Meter, band: &MeterBand) -> String {
    let mut text = format!("  {}: {} {}", band.action, band.rate, meter.unit);
    if band.burst_size != 0 {
        let unit = match meter.unit.as_str() {
            "kbps" => "kb",
            _ => "packet",
        };
        text.push_str(&format!(", {} {unit} burst", band.burst_size));
    }
    text
}
