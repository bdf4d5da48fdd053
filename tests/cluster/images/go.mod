module flotta-companion/tests/cluster/images

go 1.26
