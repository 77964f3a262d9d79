//! The same picture as pixels, for mails and chat programs that do not show SVG.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};
use skrifa::{FontRef, MetadataProvider as _};

/// Pixels of the image for one pixel of the drawing: sharp on today's screens.
pub const SCALE: f32 = 2.0;

/// Why a picture could not be painted.
#[derive(Debug, thiserror::Error)]
pub enum PngError {
    /// The drawing is not one this can read.
    #[error("the drawing cannot be read: {0}")]
    Drawing(#[from] resvg::usvg::Error),
    /// No memory for so many pixels, or they cannot be packed.
    #[error("the drawing cannot be painted: {0}")]
    Pixels(String),
}

/// Paints drawings; holds the fonts. Cheap to clone.
#[derive(Clone)]
pub struct Painter {
    fonts: Arc<fontdb::Database>,
    /// The characters that these have: others would be painted as boxes, with a word in the log for each.
    known: Arc<HashSet<u32>>,
}

impl Painter {
    /// A painter with TrueType fonts of the family Inter; without any, texts are left out.
    pub fn new(fonts: &[&'static [u8]]) -> Self {
        let mut database = fontdb::Database::new();
        for font in fonts {
            database.load_font_source(fontdb::Source::Binary(Arc::new(*font)));
        }
        for set in [fontdb::Database::set_sans_serif_family, fontdb::Database::set_serif_family] {
            set(&mut database, "Inter");
        }
        let faces = fonts.iter().filter_map(|font| FontRef::new(font).ok());
        let known =
            faces.flat_map(|face| face.charmap().mappings().map(|(code, _)| code).collect::<Vec<_>>());
        Self { fonts: Arc::new(database), known: Arc::new(known.collect()) }
    }

    /// A drawing without the letters that no font has: its markup is ASCII.
    fn readable<'a>(&self, svg: &'a str) -> Cow<'a, str> {
        let is_known = |c: char| c.is_ascii() || self.known.contains(&u32::from(c));
        if svg.chars().all(is_known) { svg.into() } else { svg.chars().filter(|c| is_known(*c)).collect() }
    }

    /// A PNG of `svg`, [`SCALE`] times its size. Takes tens of milliseconds of one core: call it where
    /// blocking is allowed.
    pub fn paint(&self, svg: &str) -> Result<Vec<u8>, PngError> {
        let options = Options {
            fontdb: Arc::clone(&self.fonts),
            font_family: "Inter".to_owned(),
            ..Options::default()
        };
        let tree = Tree::from_str(&self.readable(svg), &options)?;
        let side = |length: f32| (length * SCALE).ceil() as u32;
        let (width, height) = (side(tree.size().width()), side(tree.size().height()));
        let mut pixels =
            Pixmap::new(width, height).ok_or_else(|| PngError::Pixels(format!("{width} by {height}")))?;
        resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
        pixels.encode_png().map_err(|error| PngError::Pixels(error.to_string()))
    }
}
