//! `Meter` and its bands.

use pipeline::object::{Meter, MeterBand, MeterUnit};

use super::atom::name;
use super::enumeration::Enumeration;
use super::error::{At, WireError};
use crate::southbound as wire;

impl From<&Meter> for wire::Meter {
    fn from(meter: &Meter) -> Self {
        let bands = meter.bands.iter().map(|band| wire::MeterBand {
            rate: band.rate,
            burst: band.burst,
        });
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
        let bands = meter.bands.iter().map(|band| MeterBand {
            rate: band.rate,
            burst: band.burst,
        });
        Ok(Self {
            name: name(&meter.name).at("name")?.into(),
            unit: MeterUnit::from_number(meter.unit).at("unit")?,
            fair: meter.fair,
            bands: bands.collect(),
        })
    }
}
