//! Death at every named place of publishing.

use crate::lab::Lab;
use moelab_engine::store::failpoint;

#[test]
fn dying_at_any_failpoint_loses_nothing() {
    for name in failpoint::ALL {
        let lab = Lab::new();
        let dead = lab.command().env(failpoint::VARIABLE, name).output().unwrap();
        assert_eq!(
            dead.status.code(),
            Some(3),
            "the worker of {name} dies: {}",
            crate::lab::said(&dead)
        );
        let kept = lab.manifests();
        lab.finish();
        lab.assert_untouched();
        for (path, text) in kept {
            assert_eq!(
                std::fs::read(&path).unwrap(),
                text,
                "{name}: {} is lost",
                path.display()
            );
        }
        println!("failpoint {name}: 1 death, 1 resume, 0 losses");
    }
}
