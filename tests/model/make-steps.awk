# Makes move() of the file steps: any other step is an error of the model.
BEGIN { print "inline move(e)\n{\n\tatomic {\n\tif" }
/^#/ || NF != 5 { next }
{
	gsub(/-/, "_")
	if ($3 == "gate") $3 = "gate_came"
	printf "\t:: phase == %s && subscription == %s && e == %s -> phase = %s; subscription = %s\n", $1, $2, $3, $4, $5
}
END { print "\t:: else -> assert(false)\n\tfi\n\t}\n}" }
