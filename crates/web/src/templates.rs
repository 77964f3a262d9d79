//! The templates: compiled in, or read from a folder and read again whenever they change.

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, TemplateSource, UndefinedBehavior};

use crate::{Config, filters};

macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../templates/", $name)))),*]
    };
}

/// Name and text of each template.
static EMBEDDED: &[(&str, &str)] = embedded![
    "chart.html",
    "eyrie.html",
    "failure.html",
    "layout.html",
    "link.html",
    "list.html",
    "macros.html",
    "nsqadmin-channel.html",
    "nsqadmin-counter.html",
    "nsqadmin-failure.html",
    "nsqadmin-layout.html",
    "nsqadmin-lookup.html",
    "nsqadmin-macros.html",
    "nsqadmin-node.html",
    "nsqadmin-nodes.html",
    "nsqadmin-partly.html",
    "nsqadmin-promised.html",
    "nsqadmin-streams.html",
    "nsqadmin-topic.html",
    "settings.html",
    "shared.html",
    "signin.html",
    "stat.html",
    "trash.html",
    "welcome.html",
];

/// The environment that renders pages: strict about names, escaping HTML, with our filters.
pub fn environment(config: &Config) -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    let whitespace = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    env.set_syntax(whitespace.expect("the usual delimiters"));
    env.set_auto_escape_callback(|_| AutoEscape::Html);
    let from_folder = config.templates.as_ref().map(minijinja::path_loader);
    env.set_auto_reload(from_folder.is_some());
    env.set_loader(move |name| match &from_folder {
        Some(read) => Ok(read(name)?.or_else(|| embedded(name))),
        None => Ok(embedded(name)),
    });
    filters::add_to(&mut env);
    env
}

fn embedded(name: &str) -> Option<TemplateSource> {
    EMBEDDED.iter().find(|(embedded, _)| *embedded == name).map(|(_, text)| TemplateSource::new(*text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_in_the_folder_is_compiled_in_and_parses() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/templates");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .expect("the templates are there")
            .map(|entry| entry.expect("a file").file_name().into_string().expect("a plain name"))
            .collect();
        names.sort();
        let embedded: Vec<&str> = EMBEDDED.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, embedded);
        let env = environment(&Config { templates: None, ..Config::default() });
        for name in embedded {
            env.get_template(name).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        }
    }

    #[test]
    fn a_template_is_read_again_when_it_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let env = environment(&Config { templates: Some(folder.path().to_owned()), ..Config::default() });
        for text in ["before", "and after"] {
            std::fs::write(folder.path().join("failure.html"), text).expect("written");
            let page = env.get_template("failure.html").expect("there").render(()).expect("rendered");
            assert_eq!(page, text);
        }
    }
}
