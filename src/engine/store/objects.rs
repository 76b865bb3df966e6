//! Objects: files named by the SHA-256 of their bytes.

use super::disk::{self, Durability, Stamp};
use super::{Store, StoreError};
use crate::digest::Digest;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

impl Store {
    /// Where an object lies, or would.
    pub fn object_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("objects").join(digest.sharded())
    }

    /// The size of an object that is there.
    pub fn object_size(&self, digest: &Digest) -> Option<u64> {
        let path = self.object_path(digest);
        let meta = fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file)?;
        // The folder may be a link, too.
        disk::refuse_links(&self.root, path.parent()?).ok()?;
        Some(meta.len())
    }

    /// Path of an object whose bytes match its name.  They are hashed on the first call in a process and again only if
    /// the file was touched since.
    pub fn verified_path(&self, digest: &Digest) -> Result<PathBuf, StoreError> {
        let (path, file) = self.open_object(digest)?;
        let meta = file.metadata().map_err(StoreError::reading(&path))?;
        let stamp = Stamp::of(&meta);
        if self.verified().get(digest) == Some(&stamp) {
            return Ok(path);
        }
        let before = SystemTime::now();
        let (found, size) = Digest::of_reader(&file).map_err(StoreError::reading(&path))?;
        if found != *digest {
            let what = format!("its {size} bytes have the digest {}", found.short());
            return Err(StoreError::Damaged { path, what });
        }
        if stamp.still(before) {
            self.verified().insert(*digest, stamp);
        }
        Ok(path)
    }

    /// The verified bytes of an object.
    pub fn read_object(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let (path, mut file) = self.open_object(digest)?;
        let mut bytes = vec![];
        file.read_to_end(&mut bytes).map_err(StoreError::reading(&path))?;
        let found = Digest::of(&bytes);
        if found == *digest {
            return Ok(bytes);
        }
        let what = format!("its {} bytes have the digest {}", bytes.len(), found.short());
        Err(StoreError::Damaged { path, what })
    }

    fn open_object(&self, digest: &Digest) -> Result<(PathBuf, File), StoreError> {
        let path = self.object_path(digest);
        disk::refuse_links(&self.root, &path)?;
        match disk::open_plain(&path) {
            Ok(file) => Ok((path, file)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(StoreError::Absent { digest: *digest, path }),
            Err(e) => Err(StoreError::reading(&path)(e)),
        }
    }

    /// Puts a damaged object out of the way, so that what needs it is a miss and is made again.
    pub fn set_aside(&self, digest: &Digest) -> Result<(), StoreError> {
        let path = self.object_path(digest);
        disk::refuse_links(&self.root, path.parent().expect("objects lie in a folder"))?;
        let name = path
            .file_name()
            .expect("objects have names")
            .to_string_lossy()
            .into_owned();
        let aside = path.with_file_name(format!("{}damaged-{name}", disk::TEMPORARY));
        tracing::warn!(
            "{} does not hold what its name says; set aside as {}",
            path.display(),
            aside.display()
        );
        self.verified().remove(digest);
        match fs::rename(&path, &aside) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.map_err(StoreError::writing(&path)),
        }
    }

    /// Moves a finished file into the store.  The folder it ends in must be synced before a manifest names it.
    pub(crate) fn adopt(&self, file: &Path, digest: &Digest, durability: Durability) -> Result<PathBuf, StoreError> {
        let object = self.object_path(digest);
        let folder = object.parent().expect("objects lie in a folder");
        disk::refuse_links(&self.root, folder)?;
        if !folder.is_dir() {
            disk::create_dir(folder)?;
            durability.of_dir(&self.root.join("objects"))?;
        }
        // A second name would be a writable way into the store.
        let shared = fs::symlink_metadata(file).map_err(StoreError::reading(file))?.nlink() > 1;
        if shared || !seal_and_rename(file, &object, durability)? {
            copy_into(file, folder, &object, digest, durability)?;
        }
        super::failpoint::reached("object-renamed");
        Ok(folder.to_owned())
    }

    fn verified(&self) -> std::sync::MutexGuard<'_, std::collections::BTreeMap<Digest, Stamp>> {
        self.verified.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Says `false` if the file lies on another file system.
fn seal_and_rename(file: &Path, object: &Path, durability: Durability) -> Result<bool, StoreError> {
    let open = File::open(file).map_err(StoreError::reading(file))?;
    open.set_permissions(fs::Permissions::from_mode(0o444))
        .map_err(StoreError::writing(file))?;
    durability.of_file(&open, file)?;
    super::failpoint::reached("object-synced");
    // Over an object of that name, too: its bytes should be the same, and if they are not they are mended.
    match fs::rename(file, object) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::CrossesDevices => Ok(false),
        Err(e) => Err(StoreError::writing(object)(e)),
    }
}

fn copy_into(
    file: &Path,
    folder: &Path,
    object: &Path,
    digest: &Digest,
    durability: Durability,
) -> Result<(), StoreError> {
    let mut temporary = tempfile::Builder::new()
        .prefix(disk::TEMPORARY)
        .permissions(fs::Permissions::from_mode(0o444))
        .tempfile_in(folder)
        .map_err(StoreError::writing(folder))?;
    let source = File::open(file).map_err(StoreError::reading(file))?;
    let mut hashing = crate::digest::HashingWriter::new(temporary.as_file_mut());
    io::copy(&mut &source, &mut hashing).map_err(StoreError::writing(object))?;
    if hashing.finish().0 != *digest {
        let what = "changed while it was published".into();
        return Err(StoreError::BadOutput {
            output: digest.short(),
            path: file.to_owned(),
            what,
        });
    }
    durability.of_file(temporary.as_file(), object)?;
    temporary
        .persist(object)
        .map_err(|e| StoreError::writing(object)(e.error))?;
    fs::remove_file(file).map_err(StoreError::writing(file))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{damage, put, scratch};
    use super::*;

    #[test]
    fn an_object_is_read_only_and_found_by_its_digest() {
        let (_dir, store) = scratch();
        let digest = put(&store, b"bytes");
        let path = store.verified_path(&digest).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o444);
        assert_eq!(store.read_object(&digest).unwrap(), b"bytes");
        assert_eq!(store.object_size(&digest), Some(5));
    }

    #[test]
    fn an_object_that_is_not_there_is_absent() {
        let (_dir, store) = scratch();
        let digest = Digest::of(b"none");
        assert!(matches!(store.verified_path(&digest), Err(StoreError::Absent { .. })));
        assert!(matches!(store.read_object(&digest), Err(StoreError::Absent { .. })));
        assert_eq!(store.object_size(&digest), None);
    }

    #[test]
    fn changed_bytes_of_the_same_length_are_damage_even_after_a_good_read() {
        let (_dir, store) = scratch();
        let digest = put(&store, b"bytes");
        store.verified_path(&digest).unwrap();
        damage(&store, &digest, b"bytez");
        for error in [
            store.verified_path(&digest).unwrap_err(),
            store.read_object(&digest).unwrap_err(),
        ] {
            assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
            assert_eq!(error.exit_code(), 5);
        }
    }

    #[test]
    fn a_damaged_object_set_aside_is_absent_and_can_come_back() {
        let (_dir, store) = scratch();
        let digest = put(&store, b"bytes");
        damage(&store, &digest, b"bytez");
        store.set_aside(&digest).unwrap();
        assert_eq!(store.object_size(&digest), None);
        store.set_aside(&digest).unwrap();
        put(&store, b"bytes");
        store.verified_path(&digest).unwrap();
    }

    #[test]
    fn a_file_with_a_second_name_is_copied_so_no_writable_way_in_stays() {
        let (dir, store) = scratch();
        let (file, second) = (dir.path().join("file"), dir.path().join("second"));
        fs::write(&file, b"bytes").unwrap();
        fs::hard_link(&file, &second).unwrap();
        let digest = Digest::of(b"bytes");
        store.adopt(&file, &digest, Durability::Now).unwrap();
        fs::write(&second, b"other").unwrap();
        assert_eq!(store.read_object(&digest).unwrap(), b"bytes");
        assert!(!file.exists());
    }

    #[test]
    fn an_object_behind_a_link_is_neither_read_nor_counted_as_there_nor_written() {
        let (dir, store) = scratch();
        let digest = put(&store, b"bytes");
        let (object, other) = (store.object_path(&digest), dir.path().join("other"));
        fs::rename(object.parent().unwrap(), &other).unwrap();
        std::os::unix::fs::symlink(&other, object.parent().unwrap()).unwrap();
        assert_eq!(store.object_size(&digest), None);
        for error in [
            store.verified_path(&digest).unwrap_err(),
            store.set_aside(&digest).unwrap_err(),
        ] {
            assert!(matches!(error, StoreError::Link(_)), "{error}");
            assert_eq!(error.exit_code(), 5);
        }
        let file = dir.path().join("file");
        fs::write(&file, b"bytes").unwrap();
        assert!(matches!(
            store.adopt(&file, &digest, Durability::Now),
            Err(StoreError::Link(_))
        ));
        assert_eq!(
            fs::read_dir(&other).unwrap().count(),
            1,
            "nothing was written through the link"
        );
    }

    #[test]
    fn an_object_that_is_a_link_is_refused_and_replaced_without_touching_its_target() {
        let (dir, store) = scratch();
        let digest = put(&store, b"bytes");
        let target = dir.path().join("target");
        fs::rename(store.object_path(&digest), &target).unwrap();
        std::os::unix::fs::symlink(&target, store.object_path(&digest)).unwrap();
        assert!(matches!(store.read_object(&digest), Err(StoreError::Link(_))));
        fs::set_permissions(&target, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(&target, "precious").unwrap();
        put(&store, b"bytes");
        assert_eq!(store.read_object(&digest).unwrap(), b"bytes");
        assert_eq!(fs::read(&target).unwrap(), b"precious");
    }

    #[test]
    fn objects_on_another_file_system_are_copied_there() {
        let Some(elsewhere) = super::super::testing::other_file_system() else {
            eprintln!("left out: this machine has no second file system at /dev/shm");
            return;
        };
        let (_dir, store) = scratch();
        fs::remove_dir(store.root().join("objects")).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), store.root().join("objects")).unwrap();
        let digest = put(&store, b"bytes");
        assert_eq!(store.read_object(&digest).unwrap(), b"bytes");
        assert_eq!(fs::metadata(store.object_path(&digest)).unwrap().mode() & 0o777, 0o444);
        assert!(!store.root().join("work/loose").exists());
        let shard = elsewhere.path().join(&digest.hex()[..2]);
        assert_eq!(fs::read_dir(shard).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn adopting_mends_a_damaged_object_of_the_same_name() {
        let (_dir, store) = scratch();
        let digest = put(&store, b"bytes");
        damage(&store, &digest, b"short");
        put(&store, b"bytes");
        assert_eq!(store.read_object(&digest).unwrap(), b"bytes");
    }
}
