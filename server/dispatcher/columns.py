"""PanDA's columns of a job and of a file, in the order in which its clients write them; newer ones stand at the end."""

from __future__ import annotations

_OF_JOB = """
PandaID jobDefinitionID schedulerID pilotID creationTime creationHost modificationTime modificationHost AtlasRelease
transformation homepackage prodSeriesLabel prodSourceLabel prodUserID assignedPriority currentPriority attemptNr
maxAttempt jobStatus jobName maxCpuCount maxCpuUnit maxDiskCount maxDiskUnit ipConnectivity minRamCount minRamUnit
startTime endTime cpuConsumptionTime cpuConsumptionUnit commandToPilot transExitCode pilotErrorCode pilotErrorDiag
exeErrorCode exeErrorDiag supErrorCode supErrorDiag ddmErrorCode ddmErrorDiag brokerageErrorCode brokerageErrorDiag
jobDispatcherErrorCode jobDispatcherErrorDiag taskBufferErrorCode taskBufferErrorDiag computingSite computingElement
jobParameters metadata prodDBlock dispatchDBlock destinationDBlock destinationSE nEvents grid cloud cpuConversion
sourceSite destinationSite transferType taskID cmtConfig stateChangeTime prodDBUpdateTime lockedby relocationFlag
jobExecutionID VO pilotTiming workingGroup processingType prodUserName nInputFiles countryGroup batchID parentID
specialHandling jobsetID coreCount nInputDataFiles inputFileType inputFileProject inputFileBytes nOutputDataFiles
outputFileBytes jobMetrics workQueue_ID jediTaskID jobSubStatus actualCoreCount reqID maxRSS maxVMEM maxSWAP maxPSS
avgRSS avgVMEM avgSWAP avgPSS maxWalltime nucleus eventService failedAttempt hs06sec gshare hs06 totRCHAR totWCHAR
totRBYTES totWBYTES rateRCHAR rateWCHAR rateRBYTES rateWBYTES resource_type diskIO memory_leak memory_leak_x2
container_name job_label gco2_regional gco2_global cpu_architecture_level outputFileType
"""

_OF_FILE = """
rowID PandaID GUID lfn type dataset status prodDBlock prodDBlockToken dispatchDBlock dispatchDBlockToken
destinationDBlock destinationDBlockToken destinationSE fsize md5sum checksum scope
"""

JOB_COLUMNS = tuple(_OF_JOB.split())
FILE_COLUMNS = tuple(_OF_FILE.split())
