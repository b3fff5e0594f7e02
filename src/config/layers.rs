//! The providers of all layers, merged before they are built.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::Environment;
use super::error::{ConfigError, LayerProblem};
use super::provider::{Provider, ProviderFile, ProviderOrigin, as_expanded};
use super::variables::expand;

/// The layers of all providers, while they are read.
#[derive(Debug, Default)]
pub(super) struct Layers(BTreeMap<String, (ProviderFile, ProviderOrigin, String)>);

impl Layers {
    /// Merges a file's providers over those that are there. `place` is the file's name, for messages.
    pub(super) fn lay(
        &mut self,
        providers: BTreeMap<String, ProviderFile>,
        origin: ProviderOrigin,
        place: &str,
    ) -> Result<(), LayerProblem> {
        // Read copies after the providers that they copy, whatever the order of the names.
        let (copies, others): (Vec<_>, Vec<_>) =
            providers.into_iter().partition(|(_, p)| p.like.is_some());
        for (name, mut file) in others.into_iter().chain(copies) {
            if let Some(like) = file.like.take() {
                let Some((model, ..)) = self.0.get(&like) else {
                    return Err(LayerProblem::Like { name, like });
                };
                let model = model.clone();
                self.0.insert(name.clone(), (model, origin, place.to_owned()));
            }
            let entry = self.0.entry(name).or_default();
            entry.0.lay(file);
            entry.1 = origin;
            place.clone_into(&mut entry.2);
        }
        Ok(())
    }

    /// The variables that hold keys, and all others that these providers are made from.
    pub(super) fn variables(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        const AWS: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
        let mut keys: BTreeSet<String> = AWS.map(str::to_owned).into();
        let others = RefCell::new(BTreeSet::new());
        // A mistake in a value is reported when it is built.
        let names = |value: &str| {
            drop(expand(value, &|name| {
                others.borrow_mut().insert(name.to_owned());
                None
            }))
        };
        for (file, ..) in self.0.values() {
            keys.extend(file.key_env.clone());
            others.borrow_mut().extend(file.base_url_env.clone());
            [&file.base_url, &file.path, &file.aws_region]
                .into_iter()
                .flatten()
                .for_each(|v| names(v));
            for value in file.headers.iter().flat_map(BTreeMap::values) {
                names(&as_expanded(value));
            }
        }
        (keys, others.into_inner())
    }

    /// The providers that all layers together describe.
    ///
    /// # Errors
    /// One of them cannot be made.
    pub(super) fn build(
        self,
        environment: &Environment,
    ) -> Result<BTreeMap<String, Provider>, ConfigError> {
        let built = self.0.into_iter().map(|(name, (file, origin, place))| {
            match file.build(&name, origin, environment) {
                Ok(provider) => Ok((name, provider)),
                Err(why) => Err(ConfigError::Provider { file: place, name, why }),
            }
        });
        built.collect()
    }
}
