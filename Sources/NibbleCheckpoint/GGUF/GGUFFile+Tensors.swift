internal import NibbleNumerics

extension GGUFFile {
    /// A tensor's header, before its place in the file is known to be right.
    private struct Header {
        var name: String
        var shape: [Int]
        var type: GGMLType
        var byteCount: Int
        var offset: UInt64
        /// Where the header begins, for errors.
        var position: Int
    }

    static func readTensors(
        _ cursor: inout ByteCursor, count: Int, alignment: Int, file: MappedFile
    ) throws(CheckpointError) -> [TensorEntry] {
        var headers: [Header] = []
        var names: Set<String> = []
        for index in 0..<count {
            let header = try readHeader(&cursor, index: index)
            guard names.insert(header.name).inserted else {
                throw CheckpointError(
                    .malformed, path: file.path, offset: header.position, subject: "tensor '\(header.name)'",
                    "occurs twice")
            }
            headers.append(header)
        }
        let (dataStart, overflow) = cursor.position.roundedUp(toMultipleOf: alignment)
        guard !overflow, count == 0 || dataStart <= file.count else {
            throw CheckpointError(
                .truncated, path: file.path, offset: file.count,
                "the data should begin at byte \(dataStart), the file ends before",
                advice: "the download may be incomplete")
        }
        return try place(headers, dataStart: dataStart, alignment: alignment, file: file)
    }

    private static func readHeader(_ cursor: inout ByteCursor, index: Int) throws(CheckpointError) -> Header {
        let position = cursor.position
        let name = try cursor.ggufString(for: "name of tensor \(index)")
        let subject = "tensor '\(name)'"
        func malformed(_ problem: String, _ code: CheckpointError.Code = .malformed) -> CheckpointError {
            CheckpointError(code, path: cursor.path, offset: position, subject: subject, problem)
        }
        guard name.utf8.count <= GGUFLimits.nameBytes else {
            throw malformed(
                "has a name of \(name.utf8.count) bytes, at most \(GGUFLimits.nameBytes) are allowed")
        }
        let dimensions = try cursor.integer(UInt32.self, for: subject)
        guard dimensions <= GGUFLimits.dimensions else {
            throw malformed("has \(dimensions) dimensions, at most \(GGUFLimits.dimensions) are allowed")
        }
        var extents: [Int] = []
        var product = 1
        for _ in 0..<dimensions {
            let extent = try cursor.integer(Int64.self, for: subject)
            guard extent >= 0 else { throw malformed("has a negative dimension, \(extent)") }
            let (next, overflow) = product.multipliedReportingOverflow(by: Int(extent))
            guard !overflow else { throw malformed("has more than 2^63 elements") }
            product = next
            extents.append(Int(extent))
        }
        let number = try cursor.integer(UInt32.self, for: subject)
        guard let type = GGMLType(rawValue: number) else {
            throw malformed("has type \(number), which is withdrawn or unknown", .unsupported)
        }
        guard (extents.first ?? 1).isMultiple(of: type.blockSize),
            let byteCount = type.byteCount(elements: product)
        else {
            throw malformed(
                "has rows of \(extents.first ?? 1) elements, \(type) stores blocks of \(type.blockSize)")
        }
        let offset = try cursor.integer(UInt64.self, for: subject)
        return Header(
            name: name, shape: extents.reversed(), type: type, byteCount: byteCount, offset: offset,
            position: position)
    }

    /// Checks that the tensors follow one another without gap or overlap and end inside the file.
    private static func place(
        _ headers: [Header], dataStart: Int, alignment: Int, file: MappedFile
    ) throws(CheckpointError) -> [TensorEntry] {
        var tensors: [TensorEntry] = []
        var expected = 0
        for header in headers {
            let subject = "tensor '\(header.name)'"
            guard header.offset == UInt64(expected) else {
                throw CheckpointError(
                    .malformed, path: file.path, offset: header.position, subject: subject,
                    "has offset \(header.offset), expected \(expected): tensors must follow one another")
            }
            let (start, startOverflow) = dataStart.addingReportingOverflow(expected)
            let (end, endOverflow) = start.addingReportingOverflow(header.byteCount)
            guard !startOverflow, !endOverflow, end <= file.count else {
                throw CheckpointError(
                    .truncated, path: file.path, offset: start, subject: subject,
                    "needs \(header.byteCount) bytes, the file ends at byte \(file.count)",
                    advice: "the download may be incomplete")
            }
            tensors.append(
                TensorEntry(
                    name: header.name, shape: header.shape, type: header.type, file: file, range: start..<end)
            )
            // Ends inside the file, so neither sum can overflow.
            expected = (expected + header.byteCount).roundedUp(toMultipleOf: alignment).0
        }
        return tensors
    }
}

extension Int {
    /// The smallest multiple of a power of two that is not below self, and whether it exceeds `Int.max`.
    func roundedUp(toMultipleOf alignment: Int) -> (Int, overflow: Bool) {
        let (sum, overflow) = addingReportingOverflow(alignment - 1)
        return (sum & ~(alignment - 1), overflow)
    }
}
