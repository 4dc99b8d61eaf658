//! `Meter` → `Meter`.

use model::nb;
use pipeline::object::{Meter, MeterBand, MeterUnit, Object};
use uuid::Uuid;

use super::{Output, Reader};

pub(super) fn compile(reader: &mut Reader<'_>, row: Uuid, out: &mut Output) {
    let Some(meter) = reader.row::<nb::Meter>(row) else {
        return;
    };
    out.name(&meter.name);
    let bands = meter.bands.iter();
    let bands = bands.filter_map(|band| reader.row::<nb::MeterBand>(band.uuid()));
    let mut bands: Vec<_> = bands
        .filter_map(|band| {
            Some(MeterBand {
                rate: u32::try_from(band.rate).ok()?,
                burst: u32::try_from(band.burst_size).ok()?,
            })
        })
        .collect();
    bands.sort();
    out.object(Object::Meter(Meter {
        name: meter.name.into(),
        unit: match meter.unit.as_str() {
            "kbps" => MeterUnit::Kilobits,
            _ => MeterUnit::Packets,
        },
        fair: meter.fair.unwrap_or(false),
        bands,
    }));
}
