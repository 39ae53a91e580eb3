internal import CLibrary

/// Memory of this process and of the machine.
package enum ProcessMemory {
    /// What a process may use where nothing else is said: nine tenths of this machine's memory, in bytes.
    package static var allowedBytes: Int { physicalBytes / 10 * 9 }

    /// Most bytes that were resident, mapped files included.
    ///
    /// On Linux VmHWM of `/proc/self/status`: what getrusage tells begins with the memory of the process that started
    /// this one.
    package static var peakResidentBytes: Int {
        #if os(Linux)
            if let bytes = highWaterMark { return bytes }
        #endif
        var usage = rusage()
        #if canImport(Darwin)
            getrusage(RUSAGE_SELF, &usage)
            return usage.ru_maxrss
        #else
            getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
            return usage.ru_maxrss * 1024
        #endif
    }

    /// Memory of this machine in bytes.
    package static var physicalBytes: Int {
        sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
    }

    #if os(Linux)
        /// VmHWM, in kB in the file; nil where `/proc` is not there.
        private static var highWaterMark: Int? {
            let file = open("/proc/self/status", O_RDONLY)
            guard file >= 0 else { return nil }
            defer { close(file) }
            var bytes = [UInt8](repeating: 0, count: 8192)
            let count = bytes.withUnsafeMutableBytes { read(file, $0.baseAddress, $0.count) }
            guard count > 0 else { return nil }
            let text = String(decoding: bytes[..<count], as: UTF8.self)
            guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }) else {
                return nil
            }
            return line.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) }.map { $0 * 1024 }
        }
    #endif
}
