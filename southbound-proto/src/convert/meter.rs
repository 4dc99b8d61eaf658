//! `Meter` and its bands.

use pipeline::object::{Meter, MeterBand, MeterUnit};

use super::atom::name;
use super::enumeration::Enumeration;
use super::error::{At, WireError};
use crate::southbound as wire;

impl From<&Meter> for wire::Meter {
    fn from(meter: &Meter) -> Self {
        let bands = meter.bands.iter().map(|band| (*band).into());
        Self {
            name: meter.name.to_string(),
            unit: meter.unit.number(),
            fair: meter.fair,
            bands: bands.collect(),
        }
    }
}

impl TryFrom<&wire::Meter> for Meter {
    type Error = WireError;

    fn try_from(meter: &wire::Meter) -> Result<Self, WireError> {
        let bands = meter.bands.iter().map(|band| (*band).into());
        Ok(Self {
            name: name(&meter.name).at("name")?.into(),
            unit: MeterUnit::from_number(meter.unit).at("unit")?,
            fair: meter.fair,
            bands: bands.collect(),
        })
    }
}

impl From<MeterBand> for wire::MeterBand {
    fn from(band: MeterBand) -> Self {
        let MeterBand { rate, burst } = band;
        Self { rate, burst }
    }
}

impl From<wire::MeterBand> for MeterBand {
    fn from(band: wire::MeterBand) -> Self {
        let wire::MeterBand { rate, burst } = band;
        Self { rate, burst }
    }
}
