package main

// What follows can't be computed here: it was read from the clients' git
// histories, as copies of them had them on the day given. The commands to read
// it again are in the notes of the tables.

// History is what a git history says.
type History struct {
	First   string // day of the first commit
	Last    string // day of the last commit in the copy
	Commits int    // in the year before Last, without merges
	Authors int    // of those commits, bots aside
}

var histories = map[string]History{
	"kafka-go":           {"2017-05-09", "2026-01-15", 11, 6},
	"sarama":             {"2013-07-05", "2026-08-18", 379, 22},
	"confluent-kafka-go": {"2016-07-13", "2026-07-20", 112, 24},
	"goka":               {"2017-03-28", "2026-02-19", 9, 4},
	"franz-go":           {"2019-03-18", "2026-08-04", 637, 43},
}
