/// The keys that readers and writers of any GGUF file need; those of one subject stand beside its code.
package enum GGUFKey {
    package static let architecture = "general.architecture"
    package static let alignment = "general.alignment"
    package static let fileType = "general.file_type"
    package static let quantizationVersion = "general.quantization_version"
    package static let splitNumber = "split.no"
    package static let splitCount = "split.count"
    package static let splitTensorCount = "split.tensors.count"
}
