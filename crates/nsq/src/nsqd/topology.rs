//! How near a consumer is, for `--enable-experiment=topology-aware-consumption`.

use queue::broker::Proximity;

use super::Options;
use super::options::TOPOLOGY_AWARE;

/// Where this node is, if that matters.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Topology {
    region: String,
    zone: String,
}

impl Topology {
    /// As the options say; nowhere without the experiment.
    pub fn new(options: &Options) -> Self {
        if options.has_experiment(TOPOLOGY_AWARE) {
            Self { region: options.topology_region.clone(), zone: options.topology_zone.clone() }
        } else {
            Self::default()
        }
    }

    /// How near a client is that says it is there. A place nobody named is near nobody.
    pub fn proximity(&self, region: &str, zone: &str) -> Proximity {
        if !zone.is_empty() && zone == self.zone {
            Proximity::Zone
        } else if !region.is_empty() && region == self.region {
            Proximity::Region
        } else {
            Proximity::Global
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_experiment_makes_anybody_near() {
        let mut options =
            Options { topology_region: "r".to_owned(), topology_zone: "z".to_owned(), ..Options::default() };
        assert_eq!(Topology::new(&options).proximity("r", "z"), Proximity::Global);
        options.experiments.push(TOPOLOGY_AWARE.to_owned());
        let here = Topology::new(&options);
        for (region, zone, proximity) in [
            ("r", "z", Proximity::Zone),
            ("r", "y", Proximity::Region),
            ("r", "", Proximity::Region),
            ("q", "y", Proximity::Global),
            ("", "", Proximity::Global),
        ] {
            assert_eq!(here.proximity(region, zone), proximity);
        }
        assert_eq!(Topology::default().proximity("", ""), Proximity::Global);
    }
}
