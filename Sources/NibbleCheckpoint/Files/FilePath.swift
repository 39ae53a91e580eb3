internal import CLibrary

/// The few questions about paths that checkpoints raise. Paths are strings as the user typed them.
package enum FilePath {
    package static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    package static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Makes a folder where there is none.
    ///
    /// - Throws: ``CheckpointError`` where there can be none, or something else is there.
    package static func makeFolder(_ path: String) throws(CheckpointError) {
        if mkdir(path, 0o755) != 0, errno != EEXIST {
            throw CheckpointError.system("cannot create the folder", path: path)
        }
        guard isFolder(path) else {
            throw CheckpointError(.inputOutput, path: path, "is no folder", advice: "choose another place")
        }
    }

    package static func join(_ folder: String, _ name: String) -> String {
        folder.hasSuffix("/") ? folder + name : folder + "/" + name
    }

    /// The folder that holds `path`: `.` where the path has none.
    package static func folder(of path: String) -> String {
        let trimmed = trimmingSlashes(path)
        guard let slash = trimmed.lastIndex(of: "/") else { return "." }
        return slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
    }

    /// The last component of `path`.
    package static func name(of path: String) -> String {
        let trimmed = trimmingSlashes(path)
        return trimmed.split(separator: "/").last.map(String.init) ?? trimmed
    }

    /// Whether `name` names a file in a folder and nothing outside it.
    package static func isPlainName(_ name: String) -> Bool {
        !name.isEmpty && name != "." && name != ".." && !name.utf8.contains(UInt8(ascii: "/"))
            && !name.utf8.contains(0)
    }

    /// Whether a file or folder lies in `folder`, at any depth, links resolved.
    package static func lies(_ path: String, in folder: String) -> Bool {
        guard let path = resolved(path), let folder = resolved(folder) else { return false }
        return path.hasPrefix(folder == "/" ? folder : folder + "/")
    }

    /// The absolute path, `.` and `..` taken out by their names; there need be nothing.
    package static func absolute(_ path: String) -> String {
        var start = path
        if !path.hasPrefix("/"), let folder = getcwd(nil, 0) {
            start = String(cString: folder) + "/" + path
            free(folder)
        }
        var parts: [Substring] = []
        for part in start.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }

    /// `path` without the slashes at its end.
    package static func trimmingSlashes(_ path: String) -> String {
        var path = path
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        return path
    }

    /// Names in a folder, sorted; empty where it cannot be read.
    package static func names(in folder: String) -> [String] {
        do throws(CheckpointError) { return try contents(of: folder) } catch { return [] }
    }

    /// Names in a folder, sorted.
    package static func contents(of folder: String) throws(CheckpointError) -> [String] {
        guard let directory = opendir(folder) else { throw .system("cannot be read", path: folder) }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}

extension FilePath {
    /// The name that a folder has in its parent, `.` and links resolved.
    package static func absoluteName(of path: String) -> String { name(of: resolved(path) ?? path) }

    /// Whether two paths lead to one file or folder, links resolved.
    package static func isSame(_ path: String, _ other: String) -> Bool {
        guard let path = resolved(path), let other = resolved(other) else { return false }
        return path == other
    }

    /// The absolute path without links; nil where there is nothing.
    private static func resolved(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// Whether another file system begins at a folder.
    package static func isMountPoint(_ folder: String) -> Bool {
        var (own, outer) = (stat(), stat())
        guard stat(folder, &own) == 0, stat(join(folder, ".."), &outer) == 0 else { return false }
        return own.st_dev != outer.st_dev
    }

    /// The folder that a link leads to; any other path as it is.
    package static func followingLink(_ path: String) -> String {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFLNK, isFolder(path) else {
            return path
        }
        return resolved(path) ?? path
    }

    /// Bytes that may still be written to the disk of a folder; nil where the system does not say.
    package static func freeBytes(_ folder: String) -> Int? {
        var status = statvfs()
        guard statvfs(folder, &status) == 0 else { return nil }
        return Int(status.f_bavail) * Int(status.f_frsize)
    }

    /// Whether this process may write to a file or folder.
    package static func isWritable(_ path: String) -> Bool { access(path, W_OK) == 0 }

    /// Whether there is something at `path` that is neither a regular file nor a folder: a device, a pipe.
    package static func isSpecial(_ path: String) -> Bool {
        var status = stat()
        guard stat(path, &status) == 0 else { return false }
        let kind = status.st_mode & S_IFMT
        return kind != S_IFREG && kind != S_IFDIR
    }
}
