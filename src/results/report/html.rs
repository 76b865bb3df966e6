//! The page itself: head, navigation, sections.

use super::Program;
use crate::grid::cells;
use crate::stored::Stored;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// Nothing is loaded from anywhere: what the page needs is in it.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// A part of the page with its heading.
pub(super) struct Section {
    id: String,
    title: String,
    body: Markup,
}

impl Section {
    pub(super) fn new(id: &str, title: &str, body: Markup) -> Self {
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            body,
        }
    }
}

pub(super) fn page(stored: &Stored<'_>, program: &Program<'_>, sections: &[Section]) -> Markup {
    let name = stored.name();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="color-scheme" content="light dark";
                title { (name) " – moelab report" }
                style { (PreEscaped(include_str!("page.css"))) }
            }
            body {
                a class="skip" href="#main" { "Skip to the content" }
                header {
                    h1 { (name) }
                    p { "Pipeline " code { (stored.from.experiment.pipeline.name) } ". Tables of results: " (cells(stored.from.experiment.table.cells)) "." }
                }
                nav aria-label="Contents" {
                    ul {
                        @for section in sections { li { a href=(format!("#{}", section.id)) { (section.title) } } }
                    }
                }
                main id="main" {
                    @for section in sections {
                        section aria-labelledby=(section.id) {
                            h2 id=(section.id) { (section.title) }
                            (section.body)
                        }
                    }
                }
                footer { p { "Written by moelab " (program.version) "." } }
                script { (PreEscaped(include_str!("page.js"))) (PreEscaped(include_str!("map.js"))) }
            }
        }
    }
}

/// Panels of which one is shown at a time; all of them where scripts do not run.
pub(super) fn tabs(id: &str, label: &str, panels: &[(String, Markup)]) -> Markup {
    if let [(_, only)] = panels {
        return only.clone();
    }
    html! {
        div class="tabs" {
            div role="tablist" aria-label=(label) {
                @for (i, (name, _)) in panels.iter().enumerate() {
                    button type="button" role="tab" id=(format!("{id}-tab-{i}")) aria-controls=(format!("{id}-panel-{i}"))
                        aria-selected=(if i == 0 { "true" } else { "false" }) tabindex=(if i == 0 { "0" } else { "-1" }) {
                        (name)
                    }
                }
            }
            @for (i, (_, panel)) in panels.iter().enumerate() {
                div role="tabpanel" id=(format!("{id}-panel-{i}")) aria-labelledby=(format!("{id}-tab-{i}")) { (panel) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The colours of a block of custom properties.
    fn colour(block: &str, name: &str) -> [f64; 3] {
        let (_, rest) = block
            .split_once(&format!("{name}: #"))
            .unwrap_or_else(|| panic!("{name} in {block}"));
        [0, 2, 4].map(|i| f64::from(u8::from_str_radix(&rest[i..i + 2], 16).unwrap()) / 255.0)
    }

    /// Contrast by WCAG 2.2.
    fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
        let linear = |c: f64| {
            if c <= 0.04045 {
                c / 12.92
            } else {
                ((c + 0.055) / 1.055).powf(2.4)
            }
        };
        let luminance = |[r, g, b]: [f64; 3]| 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_can_be_read_by_day_by_night_and_on_paper() {
        let blocks: Vec<&str> = include_str!("page.css").split(":root {").skip(1).collect();
        assert_eq!(blocks.len(), 3);
        for block in blocks {
            for background in ["--paper", "--wash"] {
                for text in ["--ink", "--soft", "--link", "--bad"] {
                    let ratio = contrast(colour(block, text), colour(block, background));
                    assert!(ratio >= 4.5, "{text} on {background}: {ratio:.1}");
                }
            }
        }
    }

    #[test]
    fn the_focus_stands_out() {
        for block in include_str!("page.css").split(":root {").skip(1).take(2) {
            assert!(contrast(colour(block, "--focus"), colour(block, "--paper")) >= 3.0);
        }
    }

    #[test]
    fn one_panel_needs_no_tabs() {
        let panel = |name: &str| (name.to_owned(), html! { p { (name) } });
        assert_eq!(tabs("t", "seeds", &[panel("0")]).into_string(), "<p>0</p>");
        let two = tabs("t", "seeds", &[panel("0"), panel("<1>")]).into_string();
        assert_eq!(two.matches("role=\"tab\"").count(), 2);
        assert!(
            two.contains("aria-controls=\"t-panel-1\"") && two.contains("&lt;1&gt;"),
            "{two}"
        );
    }
}
