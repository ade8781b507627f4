from benchmarks.harness import *
forget_surroundings()
import sys
n=int(sys.argv[1]); size=int(sys.argv[2])
with embedded_aws() as c, running_api(c):
    old=in_child(c,"old_worker:drain",n,size)
with embedded_aws() as c:
    ours=in_child(c,"in_process:drain",n,size)
print(n,size,old,ours,old/ours)
