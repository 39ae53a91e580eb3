import Foundation

/// Has the system refuse to write beyond some byte of any file, as a full disk does. For child processes: the
/// limit holds for the whole process.
enum FileSizeLimit {
    static func set(_ bytes: Int) {
        // Otherwise the write ends the process instead of failing.
        signal(SIGXFSZ, SIG_IGN)
        var limit = rlimit()
        #if canImport(Glibc)
            let resource = __rlimit_resource_t(RLIMIT_FSIZE.rawValue)
        #else
            let resource = RLIMIT_FSIZE
        #endif
        precondition(getrlimit(resource, &limit) == 0, "getrlimit: \(errno)")
        limit.rlim_cur = rlim_t(bytes)
        precondition(setrlimit(resource, &limit) == 0, "setrlimit: \(errno)")
    }
}
