package vault

// HandoverAtOnce changes how much is handed over in one transaction, and returns a function that changes it back.
func HandoverAtOnce(n int) (back func()) {
	was := handoverAtOnce
	handoverAtOnce = n
	return func() { handoverAtOnce = was }
}
