/// The key-value pairs of a GGUF file, in order.
///
/// Values read from a file stay there until asked for, so that copying the vocabulary of a model into
/// another file neither decodes nor holds it.
public struct GGUFMetadata: Sendable {
    /// A key with its value.
    public struct Entry: Sendable {
        /// The key: `general.architecture`.
        public var key: String
        var storage: Storage
    }

    enum Storage: Sendable {
        case value(GGUFValue)
        /// The bytes of a value (after its type) in a mapped file, known to be well-formed.
        case stored(GGUFValueType, MappedFile, Range<Int>)
    }

    /// The pairs in file order.
    public private(set) var entries: [Entry] = []
    private var indices: [String: Int] = [:]

    /// No pairs.
    public init() {}

    /// The keys in file order.
    public var keys: [String] { entries.map(\.key) }

    /// Whether there is a value for `key`.
    public func contains(_ key: String) -> Bool { indices[key] != nil }

    /// The value for `key`, decoded anew on each call; nil where there is none.
    /// - Throws: ``CheckpointError`` where a string is not valid UTF-8.
    public func value(_ key: String) throws(CheckpointError) -> GGUFValue? {
        guard let index = indices[key] else { return nil }
        switch entries[index].storage {
        case .value(let value): return value
        case .stored(let type, let file, let range):
            var cursor = ByteCursor(file, at: range.lowerBound, end: range.upperBound)
            return try cursor.ggufValue(type, key: key)
        }
    }

    /// The number of elements of the array for `key`, without decoding them; nil where there is no array.
    public func elementCount(_ key: String) throws(CheckpointError) -> Int? {
        guard let index = indices[key] else { return nil }
        switch entries[index].storage {
        case .value(let value): return value.elements?.count
        case .stored(.array, let file, let range):
            var cursor = ByteCursor(file, at: range.lowerBound, end: range.upperBound)
            return try cursor.arrayHeader(key: key).1
        case .stored: return nil
        }
    }

    /// Sets the value for `key`, in place where the key exists, else at the end.
    public mutating func set(_ key: String, _ value: GGUFValue) { store(.value(value), for: key) }

    /// Removes `key`; nothing happens where there is none.
    public mutating func remove(_ key: String) {
        guard let index = indices.removeValue(forKey: key) else { return }
        entries.remove(at: index)
        for later in index..<entries.count { indices[entries[later].key] = later }
    }

    mutating func store(_ storage: Storage, for key: String) {
        if let index = indices[key] {
            entries[index].storage = storage
        } else {
            indices[key] = entries.count
            entries.append(Entry(key: key, storage: storage))
        }
    }
}
