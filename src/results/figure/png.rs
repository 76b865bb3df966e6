//! PNG from SVG, with a font of our own: the same picture on every machine.

use super::failed;
use crate::error::ResultsError;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};
use std::sync::{Arc, OnceLock};

/// See `ATTRIBUTION.md` beside it.
const FONT: &[u8] = include_bytes!("font.ttf");
/// Pixels per unit of the drawing: sharp in print.
const SCALE: f32 = 2.0;

fn fonts() -> Arc<fontdb::Database> {
    static FONTS: OnceLock<Arc<fontdb::Database>> = OnceLock::new();
    let load = || {
        let mut fonts = fontdb::Database::new();
        fonts.load_font_data(FONT.to_vec());
        fonts.set_sans_serif_family("DejaVu Sans");
        Arc::new(fonts)
    };
    FONTS.get_or_init(load).clone()
}

pub(super) fn render(svg: &str) -> Result<Vec<u8>, ResultsError> {
    let options = Options {
        fontdb: fonts(),
        font_family: "DejaVu Sans".to_owned(),
        ..Options::default()
    };
    let tree = Tree::from_str(svg, &options).map_err(failed)?;
    let size = tree.size();
    let side = |length: f32| (length * SCALE).ceil() as u32;
    let mut pixels = Pixmap::new(side(size.width()), side(size.height()))
        .ok_or_else(|| ResultsError::Figure("it has no size".to_owned()))?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    pixels.encode_png().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ink(svg: &str) -> (u32, u32, usize) {
        let image = image::load_from_memory(&render(svg).unwrap()).unwrap().to_luma8();
        let dark = image.pixels().filter(|pixel| pixel.0[0] < 128).count();
        (image.width(), image.height(), dark)
    }

    #[test]
    fn text_needs_no_font_of_the_system() {
        let page = |body: &str| {
            format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"60\" height=\"20\" viewBox=\"0 0 60 20\">\
                 <rect width=\"60\" height=\"20\" fill=\"#FFFFFF\"/>{body}</svg>"
            )
        };
        assert_eq!(ink(&page("")), (120, 40, 0));
        let text = "<text x=\"4\" y=\"15\" font-family=\"sans-serif\" font-size=\"15\">λ ± Ж</text>";
        let (.., dark) = ink(&page(text));
        assert!(dark > 100, "{dark} dark pixels");
    }

    #[test]
    fn what_is_no_svg_is_refused() {
        assert!(render("no svg").is_err());
    }
}
